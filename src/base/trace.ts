import { type Attributes, context, type Span, SpanStatusCode, trace } from '@opentelemetry/api';

/**
 * Spans for OpenTelemetry. Only its API is used here: without an SDK in the process, whoever runs it has asked for
 * nothing, and spans are empty and cost next to nothing.
 */
const tracer = () => trace.getTracer('drayage');

/** A span around what `work` does, with what it begins as its children. */
export async function traced<Result>(
  name: string,
  attributes: Attributes,
  work: () => Promise<Result>,
): Promise<Result> {
  return tracer().startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work();
    } catch (error) {
      fail(span, error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/** A span over work that is done piece by piece, while something else goes on in between. */
export class Stretch {
  readonly #name: string;
  #span: Span | undefined;
  #busyMs = 0;

  constructor(name: string) {
    this.#name = name;
  }

  async measure<Result>(piece: () => Promise<Result> | Result): Promise<Result> {
    this.#span ??= tracer().startSpan(this.#name);
    const beganMs = performance.now();
    try {
      return await piece();
    } finally {
      this.#busyMs += performance.now() - beganMs;
    }
  }

  end(): void {
    this.#span?.setAttribute('drayage.busy_seconds', this.#busyMs / 1000);
    this.#span?.end();
    this.#span = undefined;
  }
}

/** Measures how long a reader waits for each item. */
export async function* stretched<Item>(name: string, items: AsyncIterable<Item>): AsyncGenerator<Item> {
  const stretch = new Stretch(name);
  const iterator = items[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await stretch.measure(() => iterator.next());
      if (done) return;
      yield value;
    }
  } finally {
    stretch.end();
    await iterator.return?.();
  }
}

/** The attempts that one transaction commits together: each has a span of its own, which ends when all are committed. */
export class AttemptSpans {
  readonly #open = new Map<number, { span: Span; loadedMs: number | undefined }>();

  /** Waits until the attempts are committed, or have failed, and ends their spans. */
  async until<Result>(committing: Promise<Result>): Promise<Result> {
    try {
      const result = await committing;
      for (const { span, loadedMs } of this.#open.values()) {
        const within = trace.setSpan(context.active(), span);
        tracer()
          .startSpan('commit', { startTime: loadedMs ?? Date.now() }, within)
          .end();
      }
      return result;
    } catch (error) {
      for (const { span } of this.#open.values()) fail(span, error);
      throw error;
    } finally {
      for (const { span } of this.#open.values()) span.end();
    }
  }

  /** One attempt. @param told what its outcome adds to the span */
  async attempt<Result>(
    id: number,
    attributes: Attributes,
    load: () => Promise<Result>,
    told: (result: Result) => Attributes,
  ): Promise<Result> {
    const span = tracer().startSpan('attempt', { attributes });
    const opened = { span, loadedMs: undefined as number | undefined };
    this.#open.set(id, opened);
    const result = await context.with(trace.setSpan(context.active(), span), load);
    span.setAttributes(told(result));
    opened.loadedMs = Date.now();
    return result;
  }
}

function fail(span: Span, error: unknown): void {
  const { message, code } = error as { message?: string; code?: string };
  span.setStatus({ code: SpanStatusCode.ERROR, ...(message === undefined ? {} : { message }) });
  if (code !== undefined) span.setAttribute('error.type', code);
}
