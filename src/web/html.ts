import { maskText } from '../base/secrets.ts';

/** Text that is HTML already. Only `html` makes it, so that nothing gets onto a page unescaped. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Content = Html | string | number | null | undefined | false | readonly Content[];

/** A piece of HTML; whatever is put into it is freed of secrets and escaped, unless it was made by `html` itself. */
export function html(strings: TemplateStringsArray, ...values: Content[]): Html {
  let text = strings[0]!;
  for (const [index, value] of values.entries()) text += render(value) + strings[index + 1]!;
  return new Html(text);
}

function render(value: Content): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(render).join('');
  if (value === null || value === undefined || value === false) return '';
  return escapeText(maskText(String(value)));
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

/** Beside markup: control characters, and those that turn the direction of what follows, so that it reads as another. */
function escapeText(text: string): string {
  return text
    .replaceAll(/[&<>"'`]/g, (character) => ENTITIES[character]!)
    .replaceAll(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]/g, '\ufffd');
}
