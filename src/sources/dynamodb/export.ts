import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { DrayageError } from '../../base/errors.ts';
import { digest } from '../../base/ids.ts';
import type {
  OpenRecords,
  PartitionPlan,
  Source,
  SourceContext,
  SourceFault,
  SourceRecord,
} from '../../model/source.ts';
import type { Item } from '../../store/dynamodb.ts';
import type { S3Options } from '../../store/s3.ts';
import { type DynamoRecord, recordOf } from './attribute.ts';
import { type Folder, openFolder } from './folder.ts';

const SUMMARY = 'manifest-summary.json';

interface DataFile {
  itemCount: number;
  /** MD5 of the file as it lies there, in base64. */
  md5Checksum?: string;
  dataFileS3Key: string;
}

/**
 * A full export of a DynamoDB table to S3, as records: a partition for each of its data files. This is the cheap way to
 * read a large table, since it uses none of its read capacity. The files of an export never change, so what is loaded
 * is skipped; each is held against its checksum and its count of items in the manifest.
 * Format: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
 * @param path of the folder with manifest-summary.json, on disk or as `s3://bucket/prefix/AWSDynamoDB/<export>`
 * @param options.s3 as for `files`
 * @throws SOURCE_MISSING, SOURCE_INVALID for what is no full export in DynamoDB JSON; while it is read SOURCE_UNREADABLE,
 * SOURCE_CHANGED, STORE_DENIED
 */
export function dynamodbExport(path: string, { s3 = {} }: { s3?: S3Options } = {}): Source<DynamoRecord> {
  return {
    description: `DynamoDB export ${path}`,
    async *enumerate(context) {
      const folder = openFolder(path, context.root, s3);
      const summary = await readSummary(folder, context.signal);
      const listing = basename(String(summary.manifestFilesS3Key ?? 'manifest-files.json'));
      const manifest = await folder.text(listing, context.signal);
      for (const [index, line] of manifest.split('\n').entries()) {
        context.signal.throwIfAborted();
        if (line.trim() !== '') yield planOf(folder, parseDataFile(folder, listing, line, index + 1));
      }
    },
    open: async ({ spec }, context) => openFile(openFolder(path, context.root, s3), spec, context),
  };
}

async function readSummary(folder: Folder, signal: AbortSignal): Promise<Record<string, unknown>> {
  const text = await folder.text(SUMMARY, signal);
  const summary = parseObject(text);
  if (!summary) throw invalid(folder, SUMMARY, 'is not JSON', 'Fetch the export again.');
  if (summary.outputFormat !== undefined && summary.outputFormat !== 'DYNAMODB_JSON') {
    throw invalid(
      folder,
      SUMMARY,
      `says that the export is in ${summary.outputFormat}`,
      'Export the table in DynamoDB JSON.',
    );
  }
  if (summary.exportType === 'INCREMENTAL_EXPORT') {
    const problem = 'says that the export holds changes, and no items';
    throw invalid(folder, SUMMARY, problem, 'Make a full export of the table.');
  }
  return summary;
}

function parseDataFile(folder: Folder, listing: string, line: string, number: number): DataFile {
  const found = parseObject(line) as Partial<DataFile> | undefined;
  if (typeof found?.dataFileS3Key === 'string' && Number.isInteger(found.itemCount)) return found as DataFile;
  throw invalid(folder, listing, `is damaged in line ${number}`, 'Fetch the export again.');
}

function planOf(folder: Folder, { dataFileS3Key, itemCount, md5Checksum }: DataFile): PartitionPlan {
  const name = `data/${basename(dataFileS3Key)}`;
  const file = folder.nameOf(name);
  return {
    key: file,
    fingerprint: digest('dynamodb export', dataFileS3Key, String(itemCount), md5Checksum ?? ''),
    rows: itemCount,
    bytes: null,
    file,
    shape: 'dynamodb export',
    spec: { name, items: itemCount, ...(md5Checksum === undefined ? {} : { md5: md5Checksum }) },
  };
}

function openFile(folder: Folder, spec: PartitionPlan['spec'], { signal }: SourceContext): OpenRecords<DynamoRecord> {
  const name = String(spec.name);
  return {
    async *records() {
      let row = 0;
      for await (const line of lines(folder, name, spec.md5, signal)) {
        signal.throwIfAborted();
        if (line.length > 0) yield parseLine(line, ++row);
      }
      if (row !== spec.items) {
        throw new DrayageError(
          'SOURCE_UNREADABLE',
          `The manifest announces ${spec.items} items, and the file has ${row}`,
          {
            where: { file: folder.nameOf(name) },
            hint: 'Fetch the file again.',
          },
        );
      }
    },
    assertUnchanged: async () => undefined,
    close: async () => undefined,
  };
}

function parseLine(line: Buffer, row: number): SourceRecord<DynamoRecord> | SourceFault {
  if (!isUtf8(line)) {
    const raw = JSON.stringify({ base64: line.toString('base64') });
    return { row, reason: 'invalid_utf8', message: 'the line is not valid UTF-8', raw };
  }
  const text = line.toString('utf8');
  const item = parseObject(text)?.Item;
  if (typeof item === 'object' && item !== null) return recordOf(item as Item, row, () => text);
  return { row, reason: 'invalid_json', message: 'the line is not JSON with an Item', raw: JSON.stringify(text) };
}

const NEWLINE = 0x0a;

/** The lines of a packed file, which is held against its checksum on the way. */
async function* lines(folder: Folder, name: string, md5: unknown, signal: AbortSignal): AsyncGenerator<Buffer> {
  const hash = createHash('md5');
  const unpacked = createGunzip();
  const packed = async function* () {
    for await (const piece of folder.bytes(name, signal)) {
      hash.update(piece);
      yield piece;
    }
  };
  // What goes wrong in it is what the reading of its end throws.
  pipeline(Readable.from(packed()), unpacked, { signal }).catch(() => undefined);
  let rest: Buffer[] = [];
  try {
    for await (const piece of unpacked as AsyncIterable<Buffer>) {
      let start = 0;
      for (let end = piece.indexOf(NEWLINE); end !== -1; end = piece.indexOf(NEWLINE, start)) {
        yield Buffer.concat([...rest, piece.subarray(start, end)]);
        rest = [];
        start = end + 1;
      }
      rest.push(piece.subarray(start));
    }
  } catch (error) {
    throw unreadable(folder, name, error, signal);
  }
  yield Buffer.concat(rest);
  if (md5 === undefined || hash.digest('base64') === md5) return;
  throw new DrayageError('SOURCE_CHANGED', 'The file is not the one that the manifest lists: its MD5 is another', {
    where: { file: folder.nameOf(name) },
    hint: 'Fetch the export again.',
  });
}

function unreadable(folder: Folder, name: string, cause: unknown, signal: AbortSignal): DrayageError {
  if (cause instanceof DrayageError) return cause;
  if (signal.reason instanceof DrayageError) return signal.reason;
  const message = (cause as Error).message;
  const cut = /unexpected end of file/i.test(message);
  return new DrayageError(
    'SOURCE_UNREADABLE',
    cut ? 'The gzip file is cut off' : `The gzip file is damaged: ${message}`,
    {
      where: { file: folder.nameOf(name) },
      hint: 'Fetch the file again.',
      cause,
    },
  );
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as never) : undefined;
  } catch {
    return undefined;
  }
}

function invalid(folder: Folder, name: string, problem: string, hint: string): DrayageError {
  return new DrayageError('SOURCE_INVALID', `${name} ${problem}`, { where: { file: folder.nameOf(name) }, hint });
}
