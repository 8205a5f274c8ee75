import type { Kind } from '../../arrow/types.ts';
import type { ColumnEncoder } from './column.ts';
import { parsedText, Unfit } from './parsed.ts';

const DECLARATION =
  /^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"([^"<>]*)"|'([^'<>]*)')(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:"[^"<>]*"|'[^'<>]*'))?(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:"(yes|no)"|'(yes|no)'))?[ \t\r\n]*\?>/;

/**
 * xml in binary (`xml_send` and `print_xml_decl` in `utils/adt/xml.c`): its text, with a declaration only if that says
 * more than the default. The encoding must go, since the bytes would be read in it, and here they are UTF-8.
 */
export function xmlEncoder(kind: Kind): ColumnEncoder | undefined {
  return parsedText(kind, (text) => Buffer.from(normalized(text)), 'not_xml');
}

function normalized(text: string): string {
  const match = DECLARATION.exec(text);
  const rest = text.slice(match?.[0].length ?? 0);
  const version = match?.[1] ?? match?.[2] ?? '1.0';
  const standalone = match?.[3] ?? match?.[4];
  if (!/^1\.\d$/.test(version)) throw new Unfit(`the XML is of version ${version.slice(0, 20)}`);
  // Postgres does not give back a line break at the start.
  if (version === '1.0' && !standalone) return rest.replace(/^\n+/, '');
  return `<?xml version="${version}"${standalone ? ` standalone="${standalone}"` : ''}?>${rest}`;
}
