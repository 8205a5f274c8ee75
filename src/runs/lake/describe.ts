import { quoteIdentifier } from '../../duckdb/types.ts';
import { declaredOrThrow, mergeColumns, type StoredColumn, storedColumns } from '../../lake/columns.ts';
import { textColumns } from '../../lake/texts.ts';
import type { LakeColumn } from '../../model/manifest.ts';
import type { ColumnMapping } from '../column-mapping.ts';
import type { Opened } from '../read.ts';
import type { OpenLake } from './open.ts';
import type { PreparedDataset, PreparedLake } from './prepare.ts';

/**
 * How the columns of a partition get into the lake, held against those that its datasets have already.
 * @throws TARGET_INVALID, TYPE_UNMAPPED, TRANSFORM_INVALID
 */
export async function describeDatasets(
  { datasets }: PreparedLake,
  { columns }: OpenLake,
  opened: Opened,
): Promise<ColumnMapping[]> {
  const merged = new Map<string, readonly LakeColumn[]>();
  const mappings: ColumnMapping[] = [];
  for (const prepared of datasets) {
    const { dataset } = prepared;
    const found = await columnsOf(prepared, opened);
    merged.set(dataset, mergeColumns(dataset, columns.get(dataset) ?? [], found));
    mappings.push(
      ...found.map(({ name, from, type, differs }) => {
        const note = differs ? 'values that do not fit are rejected' : '';
        return { table: dataset, column: name, duckdb: from, arrow: '', postgres: type, note };
      }),
    );
  }
  // Only now, so that what does not fit changes nothing for the others.
  for (const [dataset, list] of merged) columns.set(dataset, list);
  return mappings;
}

async function columnsOf({ dataset, target, transform }: PreparedDataset, opened: Opened): Promise<StoredColumn[]> {
  if (transform?.kind === 'records') {
    return Object.entries(target.columns!).map(([name, declared]) => {
      const type = declaredOrThrow(name, declared, dataset);
      return { name, from: 'record', type, expression: quoteIdentifier(name) };
    });
  }
  const given =
    transform?.kind === 'batches'
      ? textColumns((await opened.mapped(transform)).schema)
      : (await opened.query(transform)).columns;
  return storedColumns(given, target, dataset);
}
