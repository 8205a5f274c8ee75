import { DrayageError } from '../base/errors.ts';
import { digest } from '../base/ids.ts';
import { quoteIdentifier, quoteLiteral } from '../duckdb/types.ts';
import { type ColumnedSource, madeOf, ROW, type SourceContext } from '../model/source.ts';

/** The column that says which of the sources a row is from. */
const ORIGIN = 'origin';

/**
 * Several sources in one run, for a job that fills several targets: every row has the columns of all of them, and `origin`
 * says which one it is from.
 * @param sources tables and queries of Postgres, and datasets of a lake, by the names that `origin` has
 * @example together({ ticket: postgres({ table: 'ticket' }), note: postgres({ table: 'note' }) })
 * @throws JOB_INVALID for anything else; while it is read SOURCE_INVALID when they differ in the type of a column
 */
export function together(sources: Readonly<Record<string, ColumnedSource>>): ColumnedSource {
  const members = Object.entries(sources);
  const wrong = members.find(([, source]) => typeof source?.columns !== 'function');
  if (wrong || members.length === 0) {
    throw new DrayageError(
      'JOB_INVALID',
      `The source is wrong: ${wrong ? `${wrong[0]} ` : ''}is no table and no dataset`,
      {
        where: { field: `together.${wrong?.[0] ?? ''}` },
        hint: 'Give sources made by postgres({ … }) or lakeFiles({ … }), by name.',
      },
    );
  }
  return {
    description: members.map(([, { description }]) => description).join(', '),
    ...snapshotOf(members.map(([, source]) => source)),
    columns: async (context) => union(await columnsOf(members, context)),
    async *enumerate(context) {
      const each = await columnsOf(members, context);
      const all = union(each);
      for (const [origin, source] of members) {
        const list = selectList(origin, all, each.get(origin)!);
        for await (const plan of source.enumerate(context)) {
          yield {
            ...plan,
            key: `${origin}: ${plan.key}`,
            fingerprint: digest(origin, plan.fingerprint),
            shape: digest(plan.shape, list),
            spec: { origin, list, plan: JSON.stringify(plan.unversioned ? { ...plan, fingerprint: '' } : plan) },
          };
        }
      }
    },
    async open({ spec }, context) {
      const opened = await sources[String(spec.origin)]!.open(JSON.parse(String(spec.plan)), context);
      if (!('relation' in opened)) throw new Error(`${spec.origin} gives records`);
      return madeOf(opened, `select ${spec.list}, ${quoteIdentifier(ROW)} from (${opened.relation})`);
    },
  };
}

/** That of a lake is in its manifests. */
function snapshotOf(sources: readonly ColumnedSource[]): Pick<ColumnedSource, 'snapshot'> {
  const each = new Set(sources.flatMap(({ snapshot }) => snapshot ?? []));
  if (each.size === 0) return {};
  return { snapshot: each.has('partition') ? 'partition' : 'run' };
}

type Columns = Readonly<Record<string, string>>;

async function columnsOf(
  members: readonly [name: string, source: ColumnedSource][],
  context: SourceContext,
): Promise<Map<string, Columns>> {
  const found = new Map<string, Columns>();
  for (const [name, source] of members) found.set(name, await source.columns(context));
  return found;
}

/** `origin`, and the columns of all. @throws SOURCE_INVALID */
function union(each: ReadonlyMap<string, Columns>): Record<string, string> {
  const all = new Map([[ORIGIN, { type: 'VARCHAR', from: '' }]]);
  for (const [from, columns] of each) {
    for (const [name, type] of Object.entries(columns)) {
      const known = all.get(name);
      if (!known) all.set(name, { type, from });
      else if (known.from === '') throw differ(from, name, 'is the one that says where a row is from');
      else if (known.type !== type) throw differ(from, name, `is ${type}, and ${known.type} in ${known.from}`);
    }
  }
  return Object.fromEntries([...all].map(([name, { type }]) => [name, type]));
}

function selectList(origin: string, all: Columns, own: Columns): string {
  const list = Object.entries(all).map(([name, type]) => {
    if (name === ORIGIN) return `${quoteLiteral(origin)} as ${ORIGIN}`;
    return name in own ? quoteIdentifier(name) : `null::${type} as ${quoteIdentifier(name)}`;
  });
  return list.join(', ');
}

function differ(from: string, column: string, problem: string): DrayageError {
  return new DrayageError('SOURCE_INVALID', `The column "${column}" of ${from} ${problem}`, {
    where: { column },
    hint: 'Give it another name or type in a query, or write a job for each source.',
  });
}
