import { deterministicUuid } from '../../base/ids.ts';
import { ExactNumber, parseJson } from '../../base/json.ts';
import { readPickle } from './pickle.ts';
import { DEEPEST, type Plain, plain, tooDeep } from './plain.ts';
import { Unreadable } from './python.ts';

/** A node or an edge, as its entry has it. */
export interface Anchor {
  /** A UUID, as are all references. */
  id: string;
  /** `node` or `edge`; `walker` and `object` for what is neither. */
  kind: string;
  /** Class without its module, for example `Report`. */
  type: string;
  module: string;
  /** The root node that it belongs to; null for a root. */
  root: string | null;
  persistent: boolean | null;
  /** Edges of a node, in their order. */
  edges: string[];
  /** Ends of an edge. */
  source: string | null;
  target: string | null;
  undirected: boolean | null;
  /** Who may read and write it. */
  access: Plain;
  /** What the program itself declared. */
  fields: Fields;
}

type Fields = { [name: string]: Plain };

/**
 * An anchor, from a pickle or from JSON text.
 * @throws Unreadable
 */
export function readAnchor(content: Uint8Array | string): Anchor {
  const value = typeof content === 'string' ? fromJson(content) : plain(readPickle(content));
  const { $class: className, ...anchor } = fieldsOf(value);
  const kind = typeof className === 'string' ? /(?:^|\.)(\w*)Anchor$/.exec(className)?.[1] : undefined;
  if (kind === undefined) throw notAnAnchor('it is no anchor');
  // The older spelling was in use up to 2025.
  const { $class: type, ...fields } = fieldsOf(anchor.archetype ?? anchor.architype);
  if (typeof type !== 'string') throw notAnAnchor('it is a mere reference to an anchor');
  const id = idOf(anchor.id);
  if (id === null) throw notAnAnchor('it has no id');
  const dot = type.lastIndexOf('.');
  return {
    id,
    kind: kind.toLowerCase(),
    type: type.slice(dot + 1),
    module: type.slice(0, Math.max(dot, 0)),
    root: idOf(anchor.root),
    persistent: booleanOf(anchor.persistent),
    edges: Array.isArray(anchor.edges) ? anchor.edges.map(idOf).filter((edge) => edge !== null) : [],
    source: idOf(anchor.source),
    target: idOf(anchor.target),
    undirected: booleanOf(anchor.is_undirected),
    access: withoutClasses(anchor.access ?? null),
    fields,
  };
}

/**
 * A node that was written out as JSON without its anchor. It has the id that it names, or one that follows from its
 * content.
 * @throws Unreadable
 */
export function readNode(content: string, type: string): Anchor {
  const value = fromJson(content);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw notAnAnchor('it is no object');
  const fields = fieldsOf(value);
  const id = idOf(fields.id) ?? deterministicUuid(type, content);
  const none = { root: null, persistent: null, edges: [], source: null, target: null, undirected: null, access: null };
  return { ...none, id, kind: 'node', type, module: '', fields };
}

function fieldsOf(value: Plain | undefined): Fields {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject && !(value instanceof ExactNumber) ? value : {};
}

/** The id of an anchor, of a reference to one, or of a value that stands for it. */
function idOf(value: Plain | undefined): string | null {
  const id = typeof value === 'string' ? value : fieldsOf(value).id;
  return typeof id === 'string' ? id : null;
}

const booleanOf = (value: Plain | undefined) => (typeof value === 'boolean' ? value : null);

const notAnAnchor = (message: string) => new Unreadable('not_an_anchor', `the entry cannot be used: ${message}`);

/** JSON writes the classes of programs, and leaves out those of access rights. */
function withoutClasses(value: Plain): Plain {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof ExactNumber) return value;
  const { $class: _, ...fields } = value;
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, withoutClasses(field)]));
}

function fromJson(text: string): Plain {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw new Unreadable('invalid_json', `the entry is not valid JSON: ${(error as Error).message}`);
  }
  return withClasses(value as Plain, 0);
}

/** JAC writes `__type__` and `__module__` where a class is meant. */
function withClasses(value: Plain, depth: number): Plain {
  if (typeof value !== 'object' || value === null || value instanceof ExactNumber) return value;
  if (depth >= DEEPEST) throw tooDeep();
  if (Array.isArray(value)) return value.map((inner) => withClasses(inner, depth + 1));
  const { __type__: type, __module__: module, ...rest } = value;
  const isClass = typeof type === 'string';
  const fields = Object.entries(isClass ? rest : value).map(([name, inner]) => [name, withClasses(inner, depth + 1)]);
  const className = typeof module === 'string' ? `${module}.${type}` : type;
  return Object.fromEntries(isClass ? [...fields, ['$class', className]] : fields);
}
