import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DrayageError } from '../base/errors.ts';
import { digest } from '../base/ids.ts';
import { toJson } from '../base/json.ts';
import type { PartitionPlan, Source, SourceContext, SourceFault, SourceRecord } from '../model/source.ts';
import { type Anchor, readAnchor, readNode } from './session/anchor.ts';
import type { Entry } from './session/container.ts';
import { type FoundPath, type FoundSession, findPaths, findSession } from './session/find.ts';
import { Graph, type SessionEnd } from './session/graph.ts';
import { Unreadable } from './session/python.ts';

export type { SessionEnd } from './session/graph.ts';
export type { Plain } from './session/plain.ts';

type Common = Pick<Anchor, 'id' | 'type' | 'module' | 'root' | 'persistent' | 'access' | 'fields'>;

export interface SessionNode extends Common {
  kind: 'node';
  /** Ids of its edges, in their order. */
  edges: readonly string[];
}

export interface SessionEdge extends Common {
  kind: 'edge';
  source: SessionEnd | null;
  target: SessionEnd | null;
  undirected: boolean;
}

/** What a session holds, in plain values: see docs/jobs/civic-reports.md. */
export type SessionRecord = SessionNode | SessionEdge;

export interface SessionOptions {
  /** A file, a folder or a glob, or several of these; relative to the project root. */
  path: string | readonly string[];
  /** Fields of nodes that the edges at them are told of. */
  endFields?: readonly string[];
}

/**
 * Sessions of JAC programs, one partition a file: GDBM, SQLite and `dbm.dumb` shelves of pickles, SQLite with JSON, and
 * nodes written out as JSON. Pickles are read as data; nothing in them is ever called. All nodes come first, and then
 * the edges, each with the nodes at its ends. Beside the file's own names, `<path>.users.json` is never read.
 */
export function session({ path, endFields = [] }: SessionOptions): Source<SessionRecord> {
  const paths = typeof path === 'string' ? [path] : path;
  return {
    description: paths.join(', '),

    async *enumerate({ root, signal }) {
      for (const found of await findPaths(paths, root, signal)) {
        signal.throwIfAborted();
        yield await planOf(found, root);
      }
    },

    async open({ spec }, context) {
      const found = await findSession(String(spec.path), context.root);
      assertSame(found, spec.pins);
      const scratch = await mkdtemp(join(context.spool, 'session-'));
      return {
        records: () => recordsOf(found, endFields, scratch, context.signal),
        assertUnchanged: async () => assertSame(await findSession(found.path, context.root), spec.pins),
        close: () => rm(scratch, { recursive: true, force: true }),
      };
    },
  };
}

async function planOf({ path, problem: known }: FoundPath, root: string): Promise<PartitionPlan> {
  const plan = { key: path, file: path, shape: '', rows: null };
  try {
    if (known) throw known;
    const { pins, bytes } = await findSession(path, root);
    return { ...plan, fingerprint: digest(path, pins), bytes, spec: { path, pins } };
  } catch (problem) {
    if (!(problem instanceof DrayageError)) throw problem;
    return { ...plan, fingerprint: digest(path), bytes: null, spec: { path, pins: '' }, problem };
  }
}

function assertSame({ path, pins }: FoundSession, planned: unknown): void {
  if (pins === planned) return;
  throw new DrayageError('SOURCE_CHANGED', 'The session changed after it was planned', {
    where: { file: path },
    hint: 'Enqueue the job again: what is loaded already is left alone, and the new content is planned.',
  });
}

async function* recordsOf(
  found: FoundSession,
  endFields: readonly string[],
  scratch: string,
  signal: SourceContext['signal'],
): AsyncGenerator<SourceRecord<SessionRecord> | SourceFault> {
  const graph = await Graph.open(join(scratch, 'graph'), endFields);
  try {
    let row = 0;
    for await (const entry of found.container.entries(found, scratch)) {
      signal.throwIfAborted();
      row++;
      const anchor = anchorOf(entry);
      if (anchor instanceof Unreadable) {
        yield { row, reason: anchor.reason, message: `${entry.key}: ${anchor.message}`, raw: rawOf(entry) };
      } else if (anchor.kind === 'edge') graph.addEdge(row, anchor);
      else {
        graph.addNode(anchor);
        yield recordOf(row, nodeOf(anchor));
      }
    }
    for (const { row: number, edge, source, target } of graph.edges()) {
      signal.throwIfAborted();
      yield recordOf(number, { ...commonOf(edge), kind: 'edge', source, target, undirected: edge.undirected ?? false });
    }
  } finally {
    graph.close();
  }
}

function anchorOf({ content, problem, type }: Entry): Anchor | Unreadable {
  if (problem) return problem;
  try {
    return type === undefined ? readAnchor(content!) : readNode(String(content), type);
  } catch (error) {
    if (error instanceof Unreadable) return error;
    throw error;
  }
}

function recordOf(row: number, value: SessionRecord): SourceRecord<SessionRecord> {
  return { row, value, raw: () => toJson(value) };
}

const nodeOf = (anchor: Anchor): SessionNode => ({ ...commonOf(anchor), kind: 'node', edges: anchor.edges });

function commonOf({ id, type, module, root, persistent, access, fields }: Anchor): Common {
  return { id, type, module, root, persistent, access, fields };
}

/** Bytes of an unreadable entry that are kept with its reject. */
const RAW_KEPT = 1024 * 1024;

function rawOf({ key, content }: Entry): string {
  if (content === null) return JSON.stringify({ key });
  const cut = content.length > RAW_KEPT ? { length: content.length } : {};
  const kept = content.slice(0, RAW_KEPT);
  const text = typeof kept === 'string' ? { text: kept } : { base64: Buffer.from(kept).toString('base64') };
  return JSON.stringify({ key, ...cut, ...text });
}
