import { rowToJson } from '../arrow/row-json.ts';
import { rowValue } from '../arrow/row-value.ts';
import type { DuckConnection } from '../duckdb/connection.ts';
import { describe, scan } from '../duckdb/scan.ts';
import { quoteIdentifier } from '../duckdb/types.ts';
import { type OpenRecords, type OpenRelation, ROW } from '../model/source.ts';

/** What a function gets as text, since JavaScript has nothing that holds all of it. */
const AS_TEXT = /^(INTERVAL|TIMESTAMP_NS|TIME_NS)$/;

/** The rows of a relation as records, for a function that takes them apart one by one. */
export function rowsAsRecords(
  partition: OpenRelation,
  connection: DuckConnection,
  signal: AbortSignal,
): OpenRecords<unknown> {
  return {
    async *records() {
      const columns = (await describe(connection, partition.relation)).filter(({ name }) => name !== ROW);
      const list = columns.map(({ name, type, expression }) => {
        const quoted = quoteIdentifier(name);
        const own = AS_TEXT.test(type) ? undefined : expression('nested');
        return `${own ?? `${quoted}::VARCHAR`} as ${quoted}`;
      });
      const query = `select ${[...list, quoteIdentifier(ROW)].join(', ')} from (${partition.relation})`;
      await partition.prepare?.(query, connection);
      yield* partition.faults();
      const places = columns.map((_, place) => place);
      // Records wait for others before they are checked.
      for await (const batch of scan(connection, query, { signal, keep: true })) {
        const rows = batch.selectAt(places);
        const numbers = batch.data.children.at(-1)!.values;
        for (let index = 0; index < rows.numRows; index++) {
          yield { row: Number(numbers[index]), value: rowValue(rows, index), raw: () => rowToJson(rows, index) };
        }
      }
    },
    assertUnchanged: partition.assertUnchanged,
    ...(partition.replayable === false ? { replayable: false } : {}),
    close: async () => undefined,
  };
}
