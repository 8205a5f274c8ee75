import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Client } from 'pg';
import { DrayageError } from '../../base/errors.ts';
import { digest } from '../../base/ids.ts';
import { quoteIdentifier, quotePath } from '../../duckdb/types.ts';
import { type ColumnedSource, type PartitionPlan, ROW, type SourceContext } from '../../model/source.ts';
import { copyOut } from '../../postgres/copy-out.ts';
import { spoolList, unload } from '../../postgres/unload.ts';
import { deferred, type Made } from '../deferred.ts';
import { atOneMoment, type SharedMoment, shareMoment } from './connection.ts';
import { checked, type PostgresOptions, type WholeOptions } from './options.ts';
import {
  balancedParts,
  type Cut,
  conditionOf,
  cutOf,
  type KeyRange,
  nameOf,
  type Part,
  periodParts,
} from './ranges.ts';
import { describeRelation, type Relation, selectOf } from './relation.ts';
import { contents } from './versions.ts';

/**
 * A table, a view or a query of a Postgres database, as rows with columns; docs/types.md says how each type arrives.
 *
 * Every partition is read in one statement. With a keeper, all of them see the moment at which the run was planned;
 * otherwise, or when that snapshot is gone, each sees the moment at which it is read, so what is written meanwhile may be
 * in one and not yet in another; the next run is certain to see it. What a partition's content is known by are the versions
 * of its rows when the run was planned: a row that is written later, loaded or not, makes the next run load its partition
 * again. Views, foreign tables and queries have no such versions; they are read anew in every run, and with
 * `mode: 'upsert'` equal rows are left alone. For the same reason rejects cannot be replayed by their numbers: run the job
 * again.
 * @throws JOB_INVALID for options that make no sense; while it is read CONFIG_INVALID, DATABASE_UNREACHABLE,
 * SOURCE_MISSING, STORE_DENIED, SOURCE_INVALID, SOURCE_CHANGED, DATABASE_FAILED
 */
export function postgres(given: PostgresOptions): ColumnedSource {
  const options = checked(given);
  const within = options.database === undefined ? '' : ` in ${options.database}`;
  return {
    description: `${options.table === undefined ? 'a query' : `table ${options.table}`}${within}`,
    snapshot: options.snapshot,
    columns: (context) => {
      return atOneMoment(options, context, async (client) => typesOf(await describeRelation(client, options)));
    },
    async *enumerate(context) {
      const shared = options.snapshot === 'run' ? await sharedMoment(options, context) : undefined;
      const look = async (client: Client, server: string) => {
        const relation = await describeRelation(client, options);
        const cut = cutOf(relation, options);
        const known = relation.table?.versions && (options.unchanged === 'skip' || cut?.column === 'ctid');
        const parts = await partsOf(client, relation, cut, options, known ? server : undefined);
        return parts.map((part) => planOf(relation, cut, part, options, shared?.snapshot));
      };
      const plans = await (shared ? shared.use(options, context, look) : atOneMoment(options, context, look));
      for (const plan of plans) {
        context.signal.throwIfAborted();
        yield plan;
      }
    },
    async open({ spec }, context) {
      const types = JSON.parse(String(spec.types)) as Record<string, string>;
      const range = JSON.parse(String(spec.range)) as KeyRange;
      const warnings: string[] = [];
      const onGone = (why: string) => {
        warnings.push(`it was read at a moment of its own, since the snapshot of its run is gone: ${why}`);
      };
      const opened = await deferred(
        async () => undefined,
        types,
        context,
        () => bring(options, range, spec, context, onGone),
      );
      const declared = JSON.parse(String(spec.declared));
      return { ...opened, declared, warnings: () => warnings, replayable: false };
    },
  };
}

/** One for all sources of the same database. @returns undefined where nobody keeps it, or the server gives none */
async function sharedMoment(options: WholeOptions, context: SourceContext): Promise<SharedMoment | undefined> {
  const { keeper } = context;
  if (!keeper) return undefined;
  const name = `snapshot ${digest(context.databaseUrl(options.database))}`;
  return keeper
    .keep(name, () => shareMoment(options, context))
    .catch((error) => {
      if (error instanceof DrayageError && error.code === 'DATABASE_UNREACHABLE') throw error;
      return undefined;
    });
}

async function partsOf(
  client: Client,
  relation: Relation,
  cut: Cut | undefined,
  options: WholeOptions,
  server: string | undefined,
): Promise<Part[]> {
  if (cut && !options.every) return balancedParts(client, relation, cut, options, server);
  const parts = cut ? await periodParts(client, relation, cut, options.every!, server) : [];
  if (parts.length > 0) return parts;
  // All rows; also where there are none, so that the table shows up in the accounts.
  const found = server === undefined ? undefined : await contents(client, relation, '0', server);
  return [{ range: {}, content: found && (found.get('0') ?? 'empty') }];
}

function typesOf({ columns }: Relation): Record<string, string> {
  return Object.fromEntries(columns.map(({ name, out }) => [name, out.duckdb]));
}

function planOf(
  relation: Relation,
  cut: Cut | undefined,
  { range, content }: Part,
  { unchanged }: WholeOptions,
  snapshot: string | undefined,
): PartitionPlan {
  const { name, shape, columns } = relation;
  const declared = Object.fromEntries(columns.map((column) => [column.name, column.declared]));
  const whole = !cut || (range.from ?? range.below ?? range.only) === undefined;
  const key = whole ? name : `${name}#${nameOf(cut, range)}`;
  const same = unchanged === 'skip' ? content : undefined;
  return {
    key,
    fingerprint: digest(key, shape, same ?? randomUUID()),
    ...(same === undefined ? { unversioned: true } : {}),
    rows: null,
    bytes: null,
    file: name,
    shape,
    spec: {
      shape,
      types: JSON.stringify(typesOf(relation)),
      declared: JSON.stringify(declared),
      range: JSON.stringify(range),
      content: content ?? '',
      ...(snapshot === undefined ? {} : { snapshot }),
    },
  };
}

/** Writes the rows into the spool, from where DuckDB reads them. */
async function bring(
  options: WholeOptions,
  range: KeyRange,
  { shape, content, snapshot }: PartitionPlan['spec'],
  context: SourceContext,
  onGone: (why: string) => void,
): Promise<Made> {
  const held = await context.disk.hold(0, context.signal);
  try {
    const path = join(held.folder, 'rows.parquet');
    const read = async (client: Client, server: string) => {
      const relation = await describeRelation(client, options).catch((error) => {
        throw error instanceof DrayageError && error.code === 'SOURCE_MISSING' ? changed(error) : error;
      });
      if (relation.shape !== shape) throw changed(undefined);
      const cut = cutOf(relation, options);
      const condition = cut && conditionOf(cut, range);
      // A row that moves from one of these ranges into another would be read twice, or not at all.
      if (cut?.column === 'ctid') {
        const rows = { ...relation, sql: `${relation.sql} where ${condition ?? 'true'}` };
        const now = await contents(client, rows, '0', server);
        if ((now.get('0') ?? 'empty') !== content) throw changed(undefined);
      }
      const query = selectOf(relation, condition);
      await unload((onRow) => copyOut(client, query, onRow), relation.columns, path, held.grow);
      return relation.columns;
    };
    const seen = snapshot === undefined ? {} : { snapshot: String(snapshot), onGone };
    const columns = await atOneMoment(options, context, read, seen);
    const scan = `read_parquet(${quotePath(path)}, file_row_number = true, hive_partitioning = false)`;
    return {
      relation: `select ${spoolList(columns)}, file_row_number + 1 as ${quoteIdentifier(ROW)} from ${scan}`,
      async *faults() {},
      close: () => held.release(),
    };
  } catch (error) {
    await held.release();
    throw error;
  }
}

function changed(cause: unknown): DrayageError {
  return new DrayageError('SOURCE_CHANGED', 'The table changed after the run was planned', {
    hint: 'Enqueue the job again: it is planned with what is there now.',
    cause,
  });
}
