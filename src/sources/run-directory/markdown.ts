import { lexer, type Token, type Tokens } from 'marked';
import { parseDocument, visit } from 'yaml';
import { exactNumber } from '../../base/json.ts';
import { plainYaml } from './plain-yaml.ts';

/** A heading and what stands under it. */
export interface MarkdownSection {
  /** As plain text. */
  heading: string;
  /** 1 for `#`, 2 for `##` … */
  depth: number;
  /** As it is written, down to the next heading of the same depth or a higher one. */
  text: string;
}

export interface MarkdownDocument {
  /** What the block of YAML at the top holds; empty when there is none, or when it is no mapping. */
  frontMatter: Readonly<Record<string, unknown>>;
  /** The first heading of depth 1. */
  title: string | undefined;
  sections: readonly MarkdownSection[];
  /** Everything behind the front matter. */
  body: string;
  /** What is odd about it. */
  problem: string | undefined;
}

const FRONT_MATTER = /^---[ \t]*\r?\n([\s\S]*?)^---[ \t]*(?:\r?\n|$)/m;

/** Takes a document apart; what looks like a heading inside of code is none. Never throws. */
export function readMarkdown(text: string): MarkdownDocument {
  const [whole, yaml] = text.startsWith('---') ? (FRONT_MATTER.exec(text) ?? []) : [];
  const body = whole === undefined ? text : text.slice(whole.length);
  const sections = sectionsOf(lexer(body));
  const title = sections.find(({ depth }) => depth === 1)?.heading;
  return { ...frontMatterOf(yaml), title, sections, body };
}

function frontMatterOf(yaml: string | undefined): Pick<MarkdownDocument, 'frontMatter' | 'problem'> {
  if (yaml === undefined) return { frontMatter: {}, problem: undefined };
  try {
    const value = plainYaml(yaml) ?? readYaml(yaml);
    const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (isMapping) return { frontMatter: value as Record<string, unknown>, problem: undefined };
    return { frontMatter: {}, problem: value === null ? undefined : 'its front matter is not a mapping' };
  } catch (error) {
    return { frontMatter: {}, problem: `its front matter is not YAML: ${(error as Error).message.split('\n')[0]}` };
  }
}

/** Numbers as JSON writes them; YAML has other forms, which are short enough for JavaScript. */
const DECIMAL = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** With numbers that keep their digits. @throws YAMLParseError */
function readYaml(text: string): unknown {
  const document = parseDocument(text);
  if (document.errors.length > 0) throw document.errors[0];
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value === 'number' && DECIMAL.test(node.source ?? '')) node.value = exactNumber(node.source!);
    },
  });
  return document.toJS();
}

function sectionsOf(tokens: readonly Token[]): MarkdownSection[] {
  const sections: MarkdownSection[] = [];
  let open: MarkdownSection[] = [];
  for (const token of tokens) {
    const heading = token.type === 'heading' ? (token as Tokens.Heading) : undefined;
    if (heading) open = open.filter(({ depth }) => depth < heading.depth);
    for (const section of open) section.text += token.raw;
    if (!heading) continue;
    const section = { heading: plainText(heading.tokens).trim(), depth: heading.depth, text: '' };
    sections.push(section);
    open.push(section);
  }
  for (const section of sections) section.text = section.text.trim();
  return sections;
}

/** Without emphasis, links and code marks. */
function plainText(tokens: readonly Token[]): string {
  return tokens
    .map((token) => {
      if ('tokens' in token && token.tokens) return plainText(token.tokens);
      return 'text' in token ? String(token.text) : '';
    })
    .join('');
}
