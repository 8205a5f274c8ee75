import { stringify } from 'yaml';

export interface CardFacts {
  name: string;
  rows: number;
  bytes: number;
  columns: readonly { name: string; type: string }[];
  /** Files of the one split, as a pattern below the folder. */
  pattern: string;
}

/** Types of features by DuckDB's (https://huggingface.co/docs/datasets/package_reference/main_classes#datasets.Features). */
const FEATURES: readonly [RegExp, string][] = [
  [/^BOOLEAN$/, 'bool'],
  [/^SMALLINT$/, 'int16'],
  [/^INTEGER$/, 'int32'],
  [/^BIGINT$/, 'int64'],
  [/^FLOAT$/, 'float32'],
  [/^DOUBLE$/, 'float64'],
  [/^DATE$/, 'date32'],
  [/^TIMESTAMP$/, 'timestamp[us]'],
  [/^TIMESTAMP WITH TIME ZONE$/, 'timestamp[us, tz=UTC]'],
  [/^BLOB$/, 'binary'],
];

/** The first bound that the rows stay below names the category. */
const SIZES: readonly [number, string][] = [
  [1e3, 'n<1K'],
  [1e4, '1K<n<10K'],
  [1e5, '10K<n<100K'],
  [1e6, '100K<n<1M'],
  [1e7, '1M<n<10M'],
];

/** The README of a data set as Hugging Face reads it: YAML in front (https://huggingface.co/docs/hub/datasets-cards). */
export function datasetCard({ name, rows, bytes, columns, pattern }: CardFacts): string {
  // What lies deeper is left to the files, which say it themselves.
  const plain = columns.every(({ type }) => !/\(.* |\[\]\[\]/.test(type));
  const features = plain
    ? { features: columns.map(({ name: column, type }) => ({ name: column, ...featureOf(type) })) }
    : {};
  const card = {
    pretty_name: name,
    size_categories: [SIZES.find(([bound]) => rows < bound)?.[1] ?? '10M<n<100M'],
    configs: [{ config_name: 'default', data_files: [{ split: 'train', path: pattern }] }],
    dataset_info: { ...features, splits: [{ name: 'train', num_bytes: bytes, num_examples: rows }] },
  };
  return `---\n${stringify(card)}---\n\n# ${name}\n\n${rows} rows, exported from Postgres by Drayage.\n`;
}

function featureOf(type: string): { dtype: string } | { sequence: string } {
  return type.endsWith('[]') ? { sequence: dtypeOf(type.slice(0, -2)) } : { dtype: dtypeOf(type) };
}

function dtypeOf(type: string): string {
  const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(type);
  if (decimal) return `decimal128(${decimal[1]}, ${decimal[2]})`;
  return FEATURES.find(([pattern]) => pattern.test(type))?.[1] ?? 'string';
}
