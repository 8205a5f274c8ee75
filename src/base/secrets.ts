/** Hides passwords in URLs and in `password=…` pairs, wherever they turn up in a text that leaves the process. */
export function maskText(text: string): string {
  return text
    .replace(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@"']*):[^\s@/"']+@/gi, '$1:***@')
    .replace(/\b(password|secret|token)=[^\s&"']+/gi, '$1=***');
}

const SECRET_NAME = /pass(word|wd|phrase)?|secret|token|credential|api_?key|private_?key|access_?key|\bdsn\b/i;

/** Parameters of a job as they may be shown: what is called like a secret is hidden whole. */
export function maskParams(params: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => {
      if (SECRET_NAME.test(name)) return [name, '***'];
      return [name, typeof value === 'string' ? maskText(value) : value];
    }),
  );
}
