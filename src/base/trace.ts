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

/**
 * Tells how long a reader waits for items: each reading is a span from the first item asked for to the last one, within
 * what is under way now, whoever asks for items later on.
 */
export function readings(name: string): <Item>(items: AsyncIterable<Item>) => AsyncGenerator<Item> {
  const within = context.active();
  return async function* <Item>(items: AsyncIterable<Item>) {
    const span = tracer().startSpan(name, {}, within);
    const iterator = items[Symbol.asyncIterator]();
    let busyMs = 0;
    try {
      for (;;) {
        const beganMs = performance.now();
        const { done, value } = await iterator.next();
        busyMs += performance.now() - beganMs;
        if (done) return;
        yield value;
      }
    } finally {
      span.setAttribute('drayage.busy_seconds', busyMs / 1000);
      span.end();
      await iterator.return?.();
    }
  };
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
