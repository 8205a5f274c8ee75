import { DrayageError } from '../base/errors.ts';
import { digest } from '../base/ids.ts';
import { didYouMean } from '../base/suggest.ts';
import { type LakeFile, liveFiles, MANIFEST_FOLDER, type Manifest, parseManifest } from '../model/manifest.ts';
import type { ColumnedSource, PartitionPlan, SourceContext } from '../model/source.ts';
import { storeOf } from '../store/files.ts';
import { isS3, type S3Options } from '../store/s3.ts';
import { files } from './files.ts';

export interface LakeFilesOptions {
  /** Of the lake: a folder, relative to the project, or `s3://bucket/prefix`. */
  root: string;
  dataset: string;
  /** Rows aimed at per partition; files are cut between row groups. Default 1,000,000. */
  partitionRows?: number;
  /** Bytes aimed at per partition, when they are unpacked. Default 256 MiB. */
  partitionBytes?: number;
  /** Where `s3://` is, in place of what the environment says. */
  s3?: S3Options;
}

const FIELDS = ['root', 'dataset', 'partitionRows', 'partitionBytes', 's3'];

/**
 * A dataset of a lake, by its manifests: exactly the files that count at the moment when the run is planned, whatever else
 * lies in the folders. A column that some of the files lack is null in their rows. Content is known by the checksum that
 * the manifest has of each file, so that a lake that was moved counts as the same.
 * @throws JOB_INVALID for options that make no sense; while it is read LAKE_MISSING, LAKE_INVALID, SOURCE_MISSING
 */
export function lakeFiles(options: LakeFilesOptions): ColumnedSource {
  const { root: given, dataset, s3 = {}, ...sizes } = options;
  const unknown = Object.keys(options).find((field) => !FIELDS.includes(field));
  if (unknown) throw invalid(unknown, `is unknown.${didYouMean(unknown, FIELDS)}`);
  for (const field of ['root', 'dataset'] as const) {
    if (typeof options[field] !== 'string' || options[field] === '') throw invalid(field, 'is missing');
  }
  const root = given.replace(/(?<=[^/])\/+$/, '');
  const reading = (paths: readonly string[], columns: Readonly<Record<string, string>>) =>
    files(paths, { ...sizes, s3, columns, format: 'parquet' });
  return {
    description: `dataset ${dataset} of the lake ${root}`,
    columns: async (context) => columnsOf(await datasetFiles(root, dataset, s3, context)),
    async *enumerate(context) {
      const found = await datasetFiles(root, dataset, s3, context);
      const columns = columnsOf(found);
      const byPath = new Map(found.map((file) => [`${root}/${file.path}`, file]));
      const spec = { columns: JSON.stringify(columns) };
      for await (const plan of reading([...byPath.keys()], columns).enumerate(context)) {
        yield { ...held(plan, byPath.get(plan.file)!), spec: { ...plan.spec, ...spec } };
      }
    },
    open(partition, context) {
      const { path, columns, ...spec } = partition.spec;
      const source = reading([String(path)], JSON.parse(String(columns)));
      return source.open({ ...partition, spec: { ...spec, path: path! } }, context);
    },
  };
}

function invalid(field: string, problem: string): DrayageError {
  return new DrayageError('JOB_INVALID', `The source is wrong: ${field} ${problem}`, {
    where: { field: `lakeFiles.${field}` },
  });
}

/** @throws LAKE_MISSING, LAKE_INVALID, SOURCE_MISSING when there is no such dataset */
async function datasetFiles(
  root: string,
  dataset: string,
  s3: S3Options,
  { root: base, signal }: SourceContext,
): Promise<LakeFile[]> {
  const store = storeOf(root, { root: base, s3, followLinks: false });
  const manifests: Manifest[] = [];
  const wanted = (name: string) => name.endsWith('.json');
  const folder = `${root}/${MANIFEST_FOLDER}`;
  for await (const { problem, ...file } of store.find(isS3(root) ? `${folder}/` : folder, { wanted, signal })) {
    if (problem) throw problem;
    const pieces = await Array.fromAsync(store.read(file, { start: 0, end: file.size }, signal));
    manifests.push(parseManifest(Buffer.concat(pieces).toString('utf8'), file.path));
  }
  if (manifests.length === 0) {
    throw new DrayageError('LAKE_MISSING', 'There is no lake, or nothing has been published into it', {
      where: { file: root },
      hint: 'Give its root: the folder or s3://bucket/prefix that holds _manifest.',
    });
  }
  const live = liveFiles(manifests);
  const found = live.filter((file) => file.dataset === dataset);
  if (found.length > 0) return found;
  const names = [...new Set(live.map((file) => file.dataset))].sort();
  throw new DrayageError('SOURCE_MISSING', `The lake has no dataset "${dataset}".${didYouMean(dataset, names)}`, {
    where: { file: root },
    hint: names.length > 0 ? `It has ${names.join(', ')}.` : 'All of its files were removed.',
  });
}

/** Of all files together, with the types that the manifests say. @throws LAKE_INVALID when files differ in a type */
function columnsOf(found: readonly LakeFile[]): Record<string, string> {
  const columns = new Map<string, string>();
  for (const { columns: own, path } of found) {
    for (const { name, type } of own) {
      const known = columns.get(name) ?? type;
      columns.set(name, known);
      if (known === type) continue;
      throw new DrayageError('LAKE_INVALID', `The column "${name}" is ${known} in some files and ${type} in others`, {
        where: { file: path, column: name },
        hint: 'Give the files to a job of their own with files(path, { columns }).',
      });
    }
  }
  return Object.fromEntries(columns);
}

/** The plan of a file, held against what the manifest says of it. */
function held({ problem, ...plan }: PartitionPlan, { checksum, bytes }: LakeFile): PartitionPlan {
  const part = plan.key.slice(plan.file.length);
  const fingerprint = digest(checksum, part);
  if (problem || plan.spec.size === bytes) return { ...plan, fingerprint, ...(problem ? { problem } : {}) };
  const changed = new DrayageError(
    'LAKE_INVALID',
    `The file has ${plan.spec.size} bytes, and ${bytes} when it was published`,
    { where: { file: plan.file }, hint: 'Restore it from a copy of the lake.' },
  );
  return { ...plan, fingerprint, problem: changed };
}
