import { digest } from '../base/ids.ts';
import type { OpenPartition, OpenRecords, Source, SourceFault, SourceRecord } from '../model/source.ts';
import { EmbeddingService } from './embedding-service.ts';

export interface EmbeddedOptions<Value> {
  /** Where texts are posted to; empty for no service, which leaves the source as it is. */
  url: string;
  /** Told to the service. */
  model: string;
  /** How many numbers an embedding has. */
  dimensions: number;
  /** What is to be embedded; undefined for a record that needs nothing. */
  text(record: Value): string | undefined;
  /** Puts the embedding into the record. */
  put(record: Value, embedding: readonly number[]): void;
  /** Milliseconds that an answer may take. Default 30,000. */
  timeoutMs?: number;
  /** Tries of a request, with pauses that double between them. Default 5. */
  tries?: number;
}

/** Texts of one request, and records that wait for so many to come together. */
const BATCH_TEXTS = 32;
const RECORDS_WAITING = 256;

/**
 * The records of a source, with embeddings put into those that lack one. A service that does not answer in the end
 * fails the partition, which is tried again later. Another service or model is other content: it is loaded anew.
 */
export function embedded<Value>(source: Source<Value>, options: EmbeddedOptions<Value>): Source<Value> {
  if (options.url === '') return source;
  const identity = (fingerprint: string) => digest(fingerprint, options.url, options.model);
  return {
    description: source.description,
    ...(source.snapshot ? { snapshot: source.snapshot } : {}),
    async *enumerate(context) {
      for await (const plan of source.enumerate(context)) {
        yield { ...plan, fingerprint: identity(plan.fingerprint) };
      }
    },
    async open(partition, context) {
      const opened = await source.open(partition, context);
      if (!isRecords(opened)) return opened;
      const service = new EmbeddingService(options, context.signal);
      return { ...opened, records: () => filled(opened.records(), options, service) };
    },
  };
}

function isRecords<Value>(opened: OpenPartition<Value>): opened is OpenRecords<Value> {
  return 'records' in opened;
}

async function* filled<Value>(
  records: AsyncIterable<SourceRecord<Value> | SourceFault>,
  options: EmbeddedOptions<Value>,
  service: EmbeddingService,
): AsyncGenerator<SourceRecord<Value> | SourceFault> {
  let waiting: (SourceRecord<Value> | SourceFault)[] = [];
  let lacking: { value: Value; text: string }[] = [];
  async function* release() {
    const embeddings = lacking.length > 0 ? await service.embed(lacking.map(({ text }) => text)) : [];
    for (const [place, { value }] of lacking.entries()) options.put(value, embeddings[place]!);
    yield* waiting;
    waiting = [];
    lacking = [];
  }
  for await (const record of records) {
    waiting.push(record);
    const text = 'value' in record ? options.text(record.value) : undefined;
    if (text !== undefined) lacking.push({ value: (record as SourceRecord<Value>).value, text });
    if (lacking.length === BATCH_TEXTS || waiting.length === RECORDS_WAITING) yield* release();
  }
  yield* release();
}
