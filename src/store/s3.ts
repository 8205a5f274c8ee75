import type { Readable } from 'node:stream';
import type * as Sdk from '@aws-sdk/client-s3';
import { DrayageError } from '../base/errors.ts';
import { s3Error } from './s3-errors.ts';

/** What is not left to the SDK's own sources: environment, shared configuration files, roles. */
export interface S3Options {
  /** URL of a server that speaks S3, in place of AWS; also taken from AWS_ENDPOINT_URL_S3. */
  endpoint?: string;
  region?: string;
  /** Bucket in the path instead of the host name. Default: yes for an endpoint of one's own, no for AWS. */
  pathStyle?: boolean;
}

/** One object, or with an empty or partial key the objects that begin with it. */
export interface S3Location {
  bucket: string;
  key: string;
}

export interface S3Object extends S3Location {
  size: number;
  /** With its quotes, as S3 gives it. */
  etag: string;
  modifiedMs: number;
}

export interface GetOptions {
  /** First byte. Default 0. */
  start?: number;
  /** Byte after the last one. Default the end. */
  end?: number | undefined;
  /** What the object has to be; anything else is SOURCE_CHANGED. */
  etag?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** @throws SOURCE_INVALID when the text is no `s3://bucket/key` */
export function parseS3(uri: string): S3Location {
  const [, bucket, key] = /^s3:\/\/([^/*?{[]+)(?:\/(.*))?$/s.exec(uri) ?? [];
  if (bucket !== undefined) return { bucket, key: key ?? '' };
  throw new DrayageError('SOURCE_INVALID', `"${uri}" names no bucket`, { hint: 'Write s3://bucket/prefix.' });
}

export const isS3 = (path: string): boolean => path.startsWith('s3://');

export const s3Uri = ({ bucket, key }: S3Location): string => `s3://${bucket}/${key}`;

const MIB = 1024 * 1024;
/** Multipart uploads have at most 10,000 parts, so this reaches 80 GB in one object. */
const PART_BYTES = 8 * MIB;
const PARTS_AT_ONCE = 2;
/** How often a body that broke off is asked for from where it broke off. */
const RESUMES = 4;
const DELETE_BATCH = 1000;

const stores = new Map<string, S3Store>();

/** The store for these options; one per process, since each keeps connections. Credentials come from the SDK's default chain. */
export function s3Store(options: S3Options = {}): S3Store {
  const { endpoint, region, pathStyle } = options;
  const id = JSON.stringify([endpoint, region, pathStyle]);
  const store = stores.get(id) ?? new S3Store(options);
  stores.set(id, store);
  return store;
}

interface Connected {
  sdk: typeof Sdk;
  client: Sdk.S3Client;
}

/** Objects of S3, or of anything that speaks its protocol. What fails is thrown as an error of ours (s3-errors.ts). */
export class S3Store {
  readonly #options: S3Options;
  #connected: Promise<Connected> | undefined;

  constructor(options: S3Options) {
    this.#options = options;
  }

  /** The SDK is loaded when it is needed: its 30 MB are not spent on those who have nothing in S3. */
  #connect(): Promise<Connected> {
    this.#connected ??= import('@aws-sdk/client-s3').then((sdk) => ({ sdk, client: this.#makeClient(sdk) }));
    return this.#connected;
  }

  #makeClient(sdk: typeof Sdk): Sdk.S3Client {
    const { endpoint, region, pathStyle } = this.#options;
    const client: Sdk.S3Client = new sdk.S3Client({
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      followRegionRedirects: true,
      // Asked for with every request; by then the SDK knows of an endpoint in the environment, too.
      forcePathStyle: (pathStyle ?? (() => client.config.isCustomEndpoint ?? false)) as boolean,
      // Other servers than AWS do not know all checksums; the etag and the length hold the content together.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: { connectionTimeout: 10_000, socketTimeout: 60_000 },
    });
    return client;
  }

  /** @throws SOURCE_MISSING */
  async head(location: S3Location, signal?: AbortSignal): Promise<S3Object> {
    const { bucket: Bucket, key: Key } = location;
    const found = await this.#ask(location, signal, ({ client, sdk }, options) =>
      client.send(new sdk.HeadObjectCommand({ Bucket, Key }), options),
    );
    return {
      ...location,
      size: found.ContentLength ?? 0,
      etag: found.ETag ?? '',
      modifiedMs: found.LastModified?.getTime() ?? 0,
    };
  }

  /** Objects whose keys begin like the location's, in the order of their keys, page by page: memory stays constant. */
  async *list(location: S3Location, signal?: AbortSignal): AsyncGenerator<S3Object> {
    const { bucket, key: Prefix } = location;
    let token: string | undefined;
    do {
      const input = { Bucket: bucket, Prefix, ...(token === undefined ? {} : { ContinuationToken: token }) };
      const page = await this.#ask(location, signal, ({ client, sdk }, options) =>
        client.send(new sdk.ListObjectsV2Command(input), options),
      );
      for (const { Key: key = '', Size: size = 0, ETag: etag = '', LastModified } of page.Contents ?? []) {
        yield { bucket, key, size, etag, modifiedMs: LastModified?.getTime() ?? 0 };
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  /**
   * The bytes of an object or of a part of it, as they come. A body that breaks off is asked for again from there.
   * @throws SOURCE_CHANGED when the object is another one than the etag says, also half-way
   */
  async *get(location: S3Location, { start = 0, end, etag, signal }: GetOptions = {}): AsyncGenerator<Buffer> {
    if (end !== undefined && end <= start) return;
    let at = start;
    let pinned = etag;
    for (let resumes = 0; ; resumes++) {
      let last = end;
      try {
        const { body, found, size } = await this.#open(location, { start: at, end, etag: pinned, signal });
        pinned ??= found;
        last ??= size === undefined ? undefined : at + size;
        for await (const piece of body) {
          at += (piece as Buffer).length;
          yield piece as Buffer;
        }
        if (last === undefined || at >= last) return;
        throw new Error(`the body ended ${last - at} bytes early`);
      } catch (error) {
        const failure = s3Error(error, s3Uri(location), signal);
        if (!failure.transient || failure.code === 'INTERRUPTED' || resumes >= RESUMES) throw failure;
        if (last !== undefined && at >= last) return;
      }
    }
  }

  /** A part of an object at once. */
  async getBytes(location: S3Location, options: GetOptions): Promise<Buffer> {
    return Buffer.concat(await Array.fromAsync(this.get(location, options)));
  }

  /** Writes a small object at once. */
  async put(location: S3Location, body: Uint8Array | string, signal?: AbortSignal): Promise<void> {
    const { bucket: Bucket, key: Key } = location;
    await this.#ask(location, signal, ({ client, sdk }, options) =>
      client.send(new sdk.PutObjectCommand({ Bucket, Key, Body: Buffer.from(body as Uint8Array) }), options),
    );
  }

  /**
   * Writes an object of any size from a stream, in parts of 8 MiB, two at a time: memory stays constant. It appears when
   * it is complete, and not at all when anything fails.
   */
  async upload(location: S3Location, body: Readable, signal?: AbortSignal): Promise<void> {
    const { bucket: Bucket, key: Key } = location;
    const [{ Upload }, { client }] = await Promise.all([import('@aws-sdk/lib-storage'), this.#connect()]);
    const upload = new Upload({
      client,
      params: { Bucket, Key, Body: body },
      partSize: PART_BYTES,
      queueSize: PARTS_AT_ONCE,
    });
    const abort = () => void upload.abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      signal?.throwIfAborted();
      await upload.done();
    } catch (error) {
      body.destroy();
      throw s3Error(error, s3Uri(location), signal);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Removes objects; one that is not there is no error. */
  async delete(bucket: string, keys: readonly string[], signal?: AbortSignal): Promise<void> {
    for (let first = 0; first < keys.length; first += DELETE_BATCH) {
      const Objects = keys.slice(first, first + DELETE_BATCH).map((Key) => ({ Key }));
      const location = { bucket, key: keys[first]! };
      const { Errors: errors = [] } = await this.#ask(location, signal, ({ client, sdk }, options) =>
        client.send(new sdk.DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }), options),
      );
      const [failed] = errors;
      if (!failed) continue;
      const cause = { name: failed.Code ?? '', message: failed.Message ?? '', $metadata: { httpStatusCode: 200 } };
      throw s3Error(cause, s3Uri({ bucket, key: failed.Key ?? '' }));
    }
  }

  /** Gives up uploads to any of these keys, all below the location, whose writer is no more: their parts cost money. */
  async abortUploads(location: S3Location, keys: ReadonlySet<string>, signal?: AbortSignal): Promise<void> {
    const { bucket: Bucket, key: Prefix } = location;
    let [KeyMarker, UploadIdMarker]: (string | undefined)[] = [];
    for (;;) {
      const input = { Bucket, Prefix, ...(KeyMarker ? { KeyMarker, UploadIdMarker } : {}) };
      const page: Sdk.ListMultipartUploadsCommandOutput = await this.#ask(
        location,
        signal,
        ({ client, sdk }, options) =>
          client.send(new sdk.ListMultipartUploadsCommand(input as Sdk.ListMultipartUploadsCommandInput), options),
      );
      for (const { Key, UploadId } of page.Uploads ?? []) {
        if (Key === undefined || !keys.has(Key)) continue;
        await this.#ask({ bucket: Bucket, key: Key }, signal, ({ client, sdk }, options) =>
          client.send(new sdk.AbortMultipartUploadCommand({ Bucket, Key, UploadId }), options),
        );
      }
      if (!page.IsTruncated) return;
      [KeyMarker, UploadIdMarker] = [page.NextKeyMarker, page.NextUploadIdMarker];
    }
  }

  async #open(location: S3Location, { start = 0, end, etag, signal }: GetOptions) {
    const { bucket: Bucket, key: Key } = location;
    // An empty object has no range.
    const range =
      start === 0 && end === undefined ? {} : { Range: `bytes=${start}-${end === undefined ? '' : end - 1}` };
    const input = { Bucket, Key, ...range, ...(etag ? { IfMatch: etag } : {}) };
    const { client, sdk } = await this.#connect();
    const found = await client.send(new sdk.GetObjectCommand(input), signal ? { abortSignal: signal } : {});
    return { body: found.Body as Readable, found: found.ETag, size: found.ContentLength };
  }

  async #ask<Answer>(
    location: S3Location,
    signal: AbortSignal | undefined,
    send: (connected: Connected, options: { abortSignal?: AbortSignal }) => Promise<Answer>,
  ): Promise<Answer> {
    try {
      return await send(await this.#connect(), signal ? { abortSignal: signal } : {});
    } catch (error) {
      throw s3Error(error, s3Uri(location), signal);
    }
  }
}
