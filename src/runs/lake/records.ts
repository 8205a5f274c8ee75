import type { ClientBase } from 'pg';
import { DrayageError } from '../../base/errors.ts';
import type { Route } from '../../model/route.ts';
import { table } from '../../model/target.ts';
import { quoteIdentifier, requireTable } from '../../postgres/catalog.ts';
import type { PreparedLake } from './prepare.ts';

/**
 * What a function over records fills, as if it were tables: values are taken and refused by the same rules, whether
 * they go into Postgres or into a lake.
 * @returns undefined for transforms in SQL
 * @throws TARGET_INVALID for a declared type that Postgres does not have
 */
export async function recordRoutes(client: ClientBase, { datasets }: PreparedLake): Promise<Route[] | undefined> {
  if (datasets[0]!.transform?.kind !== 'records') return undefined;
  const routes: Route[] = [];
  for (const { name, dataset, target, transform } of datasets) {
    const columns = target.columns!;
    const list = Object.entries(columns).map(([column, type]) => `${quoteIdentifier(column)} ${type}`);
    await client.query('savepoint dataset');
    await client.query(`create temp table drayage_dataset (${list.join(', ')})`).catch((cause) => {
      throw new DrayageError(
        'TARGET_INVALID',
        `Postgres does not accept the columns of the dataset: ${cause.message}`,
        {
          where: { table: dataset },
          hint: 'Mend their types in the target.',
          cause,
        },
      );
    });
    const found = await requireTable(client, 'pg_temp.drayage_dataset');
    await client.query('rollback to savepoint dataset');
    routes.push({ name, target: table({ columns }), transform, table: { ...found, sql: dataset }, siblings: [] });
  }
  return routes;
}
