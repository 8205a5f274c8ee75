/** How a column travels, for `dray plan`. */
export interface ColumnMapping {
  table: string;
  column: string;
  duckdb: string;
  arrow: string;
  postgres: string;
  /** What may happen to its values on the way, or why it is left out. */
  note: string;
}
