import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { parseJson, toJson } from '../../base/json.ts';
import type { Anchor } from './anchor.ts';
import type { Plain } from './plain.ts';

/** One end of an edge. */
export interface SessionEnd {
  id: string;
  /** Null when the session does not hold it. */
  type: string | null;
  /** Those of its fields that were asked for. */
  fields: Readonly<Record<string, Plain>>;
}

/**
 * What edges need to know of the nodes at their ends. It lies in a file, since a session may hold more nodes than the
 * memory does, and edges come before and behind them.
 */
export class Graph {
  readonly #database: DatabaseSync;
  readonly #addNode: StatementSync;
  readonly #addEdge: StatementSync;
  readonly #endFields: readonly string[];

  private constructor(database: DatabaseSync, endFields: readonly string[]) {
    this.#database = database;
    this.#endFields = endFields;
    database.exec(`pragma journal_mode = off; pragma synchronous = off;
      create table nodes (id text primary key, type text, fields text) without rowid;
      create table edges (row integer primary key, source text, target text, edge text);
      begin`);
    this.#addNode = database.prepare('insert or replace into nodes values (?, ?, ?)');
    this.#addEdge = database.prepare('insert into edges values (?, ?, ?, ?)');
  }

  /** @param path of a file that does not exist yet */
  static async open(path: string, endFields: readonly string[]): Promise<Graph> {
    const { DatabaseSync } = await import('node:sqlite');
    return new Graph(new DatabaseSync(path), endFields);
  }

  addNode({ id, type, fields }: Anchor): void {
    const kept = this.#endFields.filter((name) => Object.hasOwn(fields, name)).map((name) => [name, fields[name]!]);
    this.#addNode.run(id, type, toJson(Object.fromEntries(kept)));
  }

  /** @param row its number in the session */
  addEdge(row: number, edge: Anchor): void {
    this.#addEdge.run(row, edge.source, edge.target, toJson(edge));
  }

  /** All edges with their ends, in the order of their numbers. */
  *edges(): Generator<{ row: number; edge: Anchor; source: SessionEnd | null; target: SessionEnd | null }> {
    const query = this.#database.prepare(`select row, edge, source, s.type as source_type, s.fields as source_fields,
        target, t.type as target_type, t.fields as target_fields
      from edges left join nodes s on s.id = source left join nodes t on t.id = target order by row`);
    for (const found of query.iterate()) {
      const source = endOf(found.source, found.source_type, found.source_fields);
      const target = endOf(found.target, found.target_type, found.target_fields);
      yield { row: Number(found.row), edge: parseJson(String(found.edge)) as Anchor, source, target };
    }
  }

  close(): void {
    this.#database.close();
  }
}

function endOf(id: unknown, type: unknown, fields: unknown): SessionEnd | null {
  if (typeof id !== 'string') return null;
  return typeof type === 'string'
    ? { id, type, fields: parseJson(String(fields)) as SessionEnd['fields'] }
    : { id, type: null, fields: {} };
}
