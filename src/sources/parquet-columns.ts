import type { DuckConnection } from '../duckdb/connection.ts';
import { rows } from '../duckdb/scan.ts';
import { quotePath } from '../duckdb/types.ts';
import type { Range } from '../store/stored.ts';

/**
 * The bytes of a Parquet file that a query reads, the footer aside: the column chunks of the row groups that hold the
 * rows, and of the columns that DuckDB's plan names.
 * @param path the file, of which only the footer has to be there
 */
export async function neededRanges(
  connection: DuckConnection,
  query: string,
  path: string,
  { first, last }: { first: number; last: number },
): Promise<Range[]> {
  const isNeeded = await columnFilter(connection, query);
  const chunks = await rows(
    connection,
    `with chunks as (
       select row_group_id, row_group_num_rows::double as rows, path_in_schema as path,
         least(data_page_offset, coalesce(nullif(dictionary_page_offset, 0), data_page_offset))::double as start,
         total_compressed_size::double as bytes, bloom_filter_offset::double as bloom, bloom_filter_length::double as bloom_bytes
       from parquet_metadata(${quotePath(path)})
     ), groups as (
       select row_group_id, any_value(rows) as rows, sum(any_value(rows)) over (order by row_group_id) as until
       from chunks group by row_group_id
     )
     select chunks.*, until - groups.rows < ${last} and until >= ${first} as inside
     from chunks join groups using (row_group_id)`,
  );
  return (chunks as unknown as Chunk[]).flatMap(({ path: schemaPath, start, bytes, bloom, bloom_bytes, inside }) => {
    // The path of a nested column begins with the column's own name.
    const { needed, filtered } = isNeeded(schemaPath);
    const wanted: Range[] = needed && inside ? [{ start, end: start + bytes }] : [];
    // Those of all row groups are asked before it is known which of them hold the rows.
    if (filtered && bloom !== null && bloom_bytes !== null) wanted.push({ start: bloom, end: bloom + bloom_bytes });
    return wanted;
  });
}

interface Chunk {
  path: string;
  start: number;
  bytes: number;
  /** Whether its row group holds any of the rows. */
  inside: boolean;
  bloom: number | null;
  bloom_bytes: number | null;
}

interface PlanNode {
  name: string;
  children: PlanNode[];
  extra_info: Record<string, string | string[]>;
}

/** What says nothing about columns in a scan's part of a plan. */
const BESIDE = ['Function', 'Estimated Cardinality', 'File Filters', 'Scanning Files', 'Total Files Read'];

/** Tells the columns that a query needs, from DuckDB's own plan; all of them where the plan is not as we know it. */
async function columnFilter(connection: DuckConnection, query: string) {
  const [plan] = await rows(connection, `explain (format json) ${query}`);
  const scans = scansOf((JSON.parse(String(plan!.explain_value)) as PlanNode[])[0]!);
  const all = scans.length === 0 || scans.some((info) => info.Projections === undefined);
  const projected = new Set(scans.flatMap(({ Projections }) => listOf(Projections)));
  const roots = [...projected];
  const filters = scans.flatMap((info) => {
    return Object.entries(info).flatMap(([name, value]) =>
      BESIDE.includes(name) || name === 'Projections'
        ? []
        : listOf(value).filter((text) => !/^file_row_number\b/.test(text)),
    );
  });
  return (path: string): { needed: boolean; filtered: boolean } => {
    // Names may themselves hold the separator, so every beginning of the path counts.
    const parts = path.split(', ');
    const names = parts.map((_, index) => parts.slice(0, index + 1).join(', '));
    const filtered = names.some((name) => filters.some((text) => text.includes(name)));
    const isProjected = names.some((name) => roots.some((root) => root === name || root.startsWith(`${name}.`)));
    return { needed: all || filtered || isProjected, filtered: all || filtered };
  };
}

function scansOf(node: PlanNode): PlanNode['extra_info'][] {
  const own = /READ_PARQUET|PARQUET_SCAN/.test(node.name) ? [node.extra_info] : [];
  return [...own, ...node.children.flatMap(scansOf)];
}

function listOf(value: string | string[] | undefined): string[] {
  if (value === undefined || value === '') return [];
  return typeof value === 'string' ? [value] : value;
}
