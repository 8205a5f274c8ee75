import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** What is wrong with an export that a test makes. */
export interface ExportFlaws {
  summary?: object;
  /** In place of the data files' own. */
  itemCount?: number;
  md5Checksum?: string | undefined;
  /** What becomes of the packed bytes of the last data file. */
  damage?: (packed: Buffer) => Buffer;
}

const ID = 'AWSDynamoDB/01693685827463-2d8752fd';

/**
 * The files of a table export to S3, by name below the folder of the export.
 * Format: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
 * @param files the lines of each data file
 */
export function exportFiles(
  files: readonly (readonly (string | Buffer)[])[],
  flaws: ExportFlaws = {},
): Map<string, Buffer> {
  const made = new Map<string, Buffer>();
  const listing = files.map((lines, index) => {
    const name = `data/file${index}.json.gz`;
    const packed = gzipSync(Buffer.concat(lines.map((line) => Buffer.concat([Buffer.from(line), Buffer.from('\n')]))));
    const md5Checksum = createHash('md5').update(packed).digest('base64');
    made.set(name, flaws.damage && index === files.length - 1 ? flaws.damage(packed) : packed);
    return {
      itemCount: lines.length,
      md5Checksum,
      etag: 'etag',
      dataFileS3Key: `${ID}/${name}`,
      ...flaws,
      damage: undefined,
    };
  });
  made.set('manifest-files.json', Buffer.from(listing.map((one) => `${JSON.stringify(one)}\n`).join('')));
  const summary = {
    version: '2023-08-01',
    exportArn: `arn:aws:dynamodb:eu-west-2:123456789012:table/Chat/export/${ID}`,
    manifestFilesS3Key: `${ID}/manifest-files.json`,
    itemCount: files.flat().length,
    outputFormat: 'DYNAMODB_JSON',
    ...flaws.summary,
  };
  made.set('manifest-summary.json', Buffer.from(JSON.stringify(summary)));
  return made;
}

export async function writeExport(folder: string, ...given: Parameters<typeof exportFiles>): Promise<void> {
  await mkdir(join(folder, 'data'), { recursive: true });
  for (const [name, content] of exportFiles(...given)) await writeFile(join(folder, name), content);
}
