/** Hides passwords in URLs and in `password=…` pairs, wherever they turn up in a text that leaves the process. */
export function maskText(text: string): string {
  return text
    .replace(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@"']*):[^\s@/"']+@/gi, '$1:***@')
    .replace(/\b(password|secret|token)=[^\s&"']+/gi, '$1=***');
}
