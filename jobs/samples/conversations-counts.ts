import { parseArgs } from 'node:util';
import { readConfig } from '../../src/base/config.ts';
import { DrayageError, explain } from '../../src/base/errors.ts';
import type { DynamoRecord } from '../../src/index.ts';
import { resolveParams } from '../../src/model/params.ts';
import type { OpenRecords, Source } from '../../src/model/source.ts';
import { loadJob } from '../../src/runs/load-jobs.ts';
import { withSourceContext } from '../../src/runs/plan.ts';
import { prepareJob } from '../../src/runs/prepare.ts';
import { openServices, type Services } from '../../src/runs/services.ts';

/**
 * Counts conversations and messages per user in DynamoDB, or in an export, and in Postgres. The parameters are those of
 * the job. Exit code 0 when all counts are the same, 1 when not. Memory grows with the number of users.
 */
const { values: given } = parseArgs({
  options: {
    param: { type: 'string', multiple: true, default: [] },
    users: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
  },
});

interface Count {
  conversations: number;
  messages: number;
}
type Counts = Map<string, Count>;

async function main(): Promise<number> {
  const root = process.cwd();
  const config = readConfig(process.env, root);
  const loaded = await loadJob(root, 'conversations');
  const params = Object.fromEntries(
    given.param.map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]),
  );
  const { source } = prepareJob(loaded, resolveParams(loaded.job, params, process.env));
  const services = await openServices(config);
  try {
    const inSource = await countSource(source as Source<DynamoRecord>, services);
    const inTables = await countTables(services);
    return report(inSource, inTables);
  } finally {
    await services.closers.close();
  }
}

function countSource(source: Source<DynamoRecord>, services: Services): Promise<Counts> {
  const counts: Counts = new Map();
  return withSourceContext(services, new AbortController().signal, async (context) => {
    for await (const plan of source.enumerate(context)) {
      const open = (await source.open(plan, context)) as OpenRecords<DynamoRecord>;
      for await (const record of open.records()) if ('value' in record) count(counts, record.value);
      await open.close();
    }
    return counts;
  });
}

function count(counts: Counts, { pk, sk }: DynamoRecord): void {
  const user = /^USER#(.*)$/s.exec(String(pk))?.[1];
  const entity = /^(CONV|MSG)#/.exec(String(sk))?.[1];
  if (user === undefined || entity === undefined) return;
  const found = counts.get(user) ?? { conversations: 0, messages: 0 };
  found[entity === 'CONV' ? 'conversations' : 'messages']++;
  counts.set(user, found);
}

async function countTables({ target }: Services): Promise<Counts> {
  const { rows } = await target.query<Count & { user_id: string }>(
    `select user_id, sum(c)::int as conversations, sum(m)::int as messages from (
       select user_id, count(*) as c, 0 as m from conversations group by user_id
       union all select user_id, 0, count(*) from messages group by user_id) per group by user_id`,
  );
  return new Map(rows.map(({ user_id, ...counts }) => [user_id, counts]));
}

const NONE: Count = { conversations: 0, messages: 0 };

function report(inSource: Counts, inTables: Counts): number {
  const users = [...new Set([...inSource.keys(), ...inTables.keys()])].sort();
  const rows = users.map((user) => {
    const [source, tables] = [inSource.get(user) ?? NONE, inTables.get(user) ?? NONE];
    const same = source.conversations === tables.conversations && source.messages === tables.messages;
    return { user, source, tables, same };
  });
  const total = (counts: Counts) => {
    const all = [...counts.values()];
    const sum = (name: keyof Count) => all.reduce((so, one) => so + one[name], 0);
    return { users: counts.size, conversations: sum('conversations'), messages: sum('messages') };
  };
  const different = rows.filter(({ same }) => !same);
  const totals = { source: total(inSource), tables: total(inTables) };
  if (given.json) {
    process.stdout.write(`${JSON.stringify({ ok: different.length === 0, totals, different, users: rows })}\n`);
  } else {
    console.table([
      { in: 'DynamoDB', ...totals.source },
      { in: 'Postgres', ...totals.tables },
    ]);
    const shown = [...different, ...rows.filter(({ same }) => same)].slice(0, Number(given.users));
    console.table(
      shown.map(({ user, source, tables, same }) => ({
        user,
        'conversations in DynamoDB': source.conversations,
        'in Postgres': tables.conversations,
        'messages in DynamoDB': source.messages,
        'messages in Postgres': tables.messages,
        same,
      })),
    );
    const verdict =
      different.length === 0
        ? 'All counts are the same.'
        : `${different.length} users differ: "dray rejects" may tell why.`;
    console.log(verdict);
  }
  return different.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(explain(error));
  process.exitCode = error instanceof DrayageError ? error.exit : 1;
}
