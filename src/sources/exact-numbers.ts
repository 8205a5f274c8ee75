/** Numbers with a point or an exponent; integers are kept digit by digit anyway. */
const NUMBER = /(?<=[:[,\s-])\d+(?:\.\d+(?:[eE][-+]?\d+)?|[eE][-+]?\d+)(?=[,}\]\s])/g;

/** Whether a line of JSON holds a number that a double would not give back as it is written. May err inside of texts. */
export function holdsInexact(line: string): boolean {
  for (const [number] of line.matchAll(NUMBER)) if (String(Number(number)) !== number) return true;
  return false;
}

/**
 * The members of a JSON object as texts with every digit of their numbers: texts as they are, everything else as JSON.
 * @param asJson members whose texts stay quoted
 */
export function exactTexts(line: string, asJson: (name: string) => boolean): Record<string, string | null> {
  const { rawJSON } = JSON as unknown as { rawJSON(source: string): unknown };
  const keepDigits = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && context?.source ? rawJSON(context.source) : value;
  const members = Object.entries(JSON.parse(line, keepDigits) as Record<string, unknown>);
  return Object.fromEntries(
    members.map(([name, value]) => {
      if (value === null) return [name, null];
      return [name, typeof value === 'string' && !asJson(name) ? value : JSON.stringify(value)];
    }),
  );
}
