import { declaredOrThrow, mergeColumns, storedColumns } from '../../lake/columns.ts';
import type { LakeColumn } from '../../model/manifest.ts';
import type { ColumnMapping } from '../column-mapping.ts';
import type { Opened } from '../read.ts';
import type { OpenLake } from './open.ts';
import type { PreparedLake } from './prepare.ts';

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
  for (const { dataset, target, transform } of datasets) {
    const found =
      transform?.kind === 'records'
        ? Object.entries(target.columns!).map(([name, type]) => {
            return { name, from: 'record', type: declaredOrThrow(name, type, dataset), differs: undefined };
          })
        : storedColumns((await opened.query(transform)).columns, target, dataset);
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
