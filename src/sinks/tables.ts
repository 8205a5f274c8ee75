import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClientBase } from 'pg';
import { DrayageError } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import type { Target } from '../model/target.ts';
import { describeTable, quoteIdentifier, requireTable, type Table } from '../postgres/catalog.ts';
import { codeOf, databaseError, FORBIDDEN } from '../postgres/errors.ts';
import { withSuffix } from '../postgres/names.ts';
import { columnOf } from './arrange.ts';
import { assertApart, createTable, type InferredColumn } from './infer.ts';
import { assertFits, splitColumns } from './width.ts';

/** Where the DDL files of targets lie, below the project root. */
export const DDL_FOLDER = 'sql/targets';

/** @throws JOB_INVALID when the file is not there */
export async function readDdl(root: string, file: string): Promise<string> {
  const path = join(DDL_FOLDER, file);
  return readFile(join(root, path), 'utf8').catch((cause) => {
    throw new DrayageError('JOB_INVALID', `The DDL file ${path} cannot be read`, {
      where: { field: 'targets' },
      hint: 'Create it, or mend its name in the target.',
      cause,
    });
  });
}

/** A target, and what making its table may need. */
export interface Wanted {
  /** As the job writes it. */
  name: string;
  target: Target;
  root: string;
  /** The columns that the source has, all files together. */
  columns(): Promise<InferredColumn[]>;
}

/**
 * The tables of a target: one, or several when it is split. Created by its DDL or by the source's columns when absent;
 * given the columns that they lack when the target allows that.
 * @param touch whether a table that is there may be altered; otherwise the columns that it lacks are made up
 * @returns whether they were created, beside what they look like
 */
export async function ensureTables(
  client: ClientBase,
  wanted: Wanted,
  touch: boolean,
): Promise<{ tables: Table[]; created: boolean }> {
  const existing = await describeTable(client, wanted.name);
  if (existing) {
    const tables = await withParts(client, existing, wanted.target);
    const missing = await missingColumns(tables, wanted);
    const last = tables.at(-1)!;
    if (missing.length === 0) return { tables, created: false };
    if (!touch) return { tables: tables.with(-1, await withColumns(client, last, missing)), created: false };
    await evolve(client, last.sql, missing, last);
    return { tables: await tablesOf(client, wanted), created: false };
  }
  const { ddl, infer } = wanted.target;
  for (const statement of infer ? await inferredDdl(client, wanted) : ddl ? [await readDdl(wanted.root, ddl)] : []) {
    await client.query(statement).catch((cause) => {
      const what = ddl ? `${ddl}` : 'the table that was made up from the source';
      throw new DrayageError('TARGET_INVALID', `Postgres does not accept ${what}: ${cause.message}`, {
        where: { table: wanted.name },
        hint: hintFor(cause, ddl),
        cause,
      });
    });
  }
  return { tables: await tablesOf(client, wanted), created: true };
}

function hintFor(cause: Error, ddl: string | undefined): string {
  if (codeOf(cause) === FORBIDDEN) {
    return (
      'Grant it to the role that connects, as in grant create on schema public to ROLE; or have somebody who may create ' +
      'the table, and grant the rights on it.'
    );
  }
  return ddl ? 'Mend the DDL file.' : 'Write a DDL file; "dray plan JOB --ddl" gives a beginning.';
}

/** The tables of a target, which must be there. @throws TARGET_INVALID */
export async function tablesOf(
  client: ClientBase,
  { name, target }: Pick<Wanted, 'name' | 'target'>,
): Promise<Table[]> {
  return withParts(client, await requireTable(client, name), target);
}

async function withParts(client: ClientBase, first: Table, { split }: Target): Promise<Table[]> {
  const tables = [first];
  for (let part = 2; split; part++) {
    const next = await describeTable(client, partName(first, part));
    if (!next) break;
    tables.push(next);
  }
  return tables;
}

/** The statements that create the tables of a target from the source's columns. */
export async function inferredDdl(
  client: ClientBase,
  { name, target, columns }: Omit<Wanted, 'root'>,
): Promise<string[]> {
  const found = await columns();
  const parsed = await client.query<{ parts: string[] }>('select parse_ident($1) as parts', [name]);
  const parts = parsed.rows[0]!.parts;
  const [schema, table] = parts.length > 1 ? parts : [undefined, parts[0]];
  const qualified = (part: string) => (schema ? `${quoteIdentifier(schema)}.` : '') + quoteIdentifier(part);
  const missing = target.key.find((column) => !found.some((one) => one.name === column));
  if (missing) {
    const names = found.map((column) => column.name);
    throw new DrayageError(
      'TARGET_INVALID',
      `The source has no column "${missing}" for the key.${didYouMean(missing, names)}`,
      { where: { table: name, column: missing } },
    );
  }
  if (target.split) {
    const split = splitColumns(found, target.key);
    return split.map((one, index) => {
      return createTable(qualified(index === 0 ? table! : withSuffix(table!, `_${index + 1}`)), one, target.key);
    });
  }
  const made = target.pack ? packed(found, target) : found;
  assertFits(made, name);
  return [createTable(qualified(table!), made, target.key)];
}

/** The key stays outside of the pack; all the rest goes in. */
function packed(columns: readonly InferredColumn[], { pack, key }: Target): InferredColumn[] {
  const { into, as } = pack!;
  const rest = columns.filter(({ name }) => !key.includes(name));
  const types = new Set(rest.map(({ type }) => type));
  if (as === 'array' && types.size !== 1) {
    throw new DrayageError('TARGET_INVALID', `Columns of ${types.size} types do not go into one array`, {
      hint: `Use pack: { into: '${into}', as: 'jsonb' }, or cast them to one type in the transform.`,
    });
  }
  const type = as === 'array' ? `${[...types][0]}[]` : 'jsonb';
  return [...columns.filter(({ name }) => key.includes(name)), { name: into, source: into, type }];
}

/** Whether making the tables of a target needs the source's columns. */
export async function needsColumns(
  client: ClientBase,
  { name, target }: Pick<Wanted, 'name' | 'target'>,
): Promise<boolean> {
  if (target.evolve === target.infer) return target.infer;
  return (await describeTable(client, name)) ? target.evolve : target.infer;
}

/** Columns that the last of the tables is to be given. @throws TARGET_INVALID for one that is there but for capitals */
async function missingColumns(tables: readonly Table[], { target, columns }: Wanted): Promise<InferredColumn[]> {
  if (!target.evolve || target.pack) return [];
  const missing = (await columns()).filter(({ name }) => !tables.some((table) => columnOf(table, name)));
  for (const table of tables) assertApart([...table.columns, ...missing].map(({ name }) => name));
  return missing;
}

function addColumns(table: string, columns: readonly InferredColumn[]): string {
  const list = columns.map(({ name, type }) => `add column if not exists ${quoteIdentifier(name)} ${type}`);
  return `alter table ${table} ${list.join(', ')}`;
}

/** Columns that are told by name. */
const TOLD = 10;

/** @param into the table, or a copy of it @throws TARGET_INVALID for what Postgres does not accept */
async function evolve(
  client: ClientBase,
  into: string,
  columns: readonly InferredColumn[],
  { sql }: Table,
): Promise<void> {
  await client.query(addColumns(into, columns)).catch((cause) => {
    const { message, transient } = databaseError(cause);
    if (transient) throw cause;
    throw notAdded(columns, sql, message, cause);
  });
}

function notAdded(columns: readonly InferredColumn[], table: string, why: string, cause?: unknown): DrayageError {
  const more = columns.length > TOLD ? ` and ${columns.length - TOLD} more` : '';
  const names = columns.slice(0, TOLD).map(({ name }) => quoteIdentifier(name));
  return new DrayageError('TARGET_INVALID', `Postgres does not add ${names.join(', ')}${more} to the table: ${why}`, {
    where: { table },
    hint: 'Add what is missing yourself, or leave it out or name it otherwise in the transform.',
    cause,
  });
}

async function assertOwned(client: ClientBase, { oid, sql }: Table, missing: readonly InferredColumn[]): Promise<void> {
  const { rows } = await client.query<{ owned: boolean }>(
    `select pg_has_role(relowner, 'usage') as owned from pg_class where oid = $1::oid`,
    [oid],
  );
  if (!rows[0]!.owned) throw notAdded(missing, sql, 'it belongs to another role');
}

/**
 * The table as it would be with more columns: a copy is given them, so that the table itself is not locked.
 * @throws TARGET_INVALID also for a table that the role may not alter
 */
async function withColumns(client: ClientBase, table: Table, missing: readonly InferredColumn[]): Promise<Table> {
  await assertOwned(client, table, missing);
  const copy = 'pg_temp.drayage_evolved';
  await client.query(
    `create temp table drayage_evolved (like ${table.sql} including defaults including generated including identity)`,
  );
  await evolve(client, copy, missing, table);
  const { columns } = await requireTable(client, copy);
  await client.query(`drop table ${copy}`);
  return { ...table, columns };
}

function partName({ schema, name }: Table, part: number): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(withSuffix(name, `_${part}`))}`;
}
