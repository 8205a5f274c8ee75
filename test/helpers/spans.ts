import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Attributes,
  type Context,
  type ContextManager,
  context,
  ROOT_CONTEXT,
  type Span,
  type SpanOptions,
  type SpanStatus,
  trace,
} from '@opentelemetry/api';

export interface RecordedSpan {
  name: string;
  id: string;
  parent: string | undefined;
  attributes: Attributes;
  status: SpanStatus | undefined;
  ended: boolean;
}

/** What an SDK does with the API, and no more: it keeps every span in memory. */
export function recordSpans(): RecordedSpan[] {
  const spans: RecordedSpan[] = [];
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (within, work, self, ...given) => storage.run(within, () => work.apply(self as never, given)),
    bind: (_, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  const startSpan = (name: string, { attributes = {} }: SpanOptions = {}, within = context.active()): Span => {
    const parent = trace.getSpan(within)?.spanContext().spanId;
    const record: RecordedSpan = {
      ...{ name, id: String(spans.length + 1), parent, attributes: { ...attributes } },
      ...{ status: undefined, ended: false },
    };
    spans.push(record);
    const span = {
      spanContext: () => ({ traceId: '1', spanId: record.id, traceFlags: 1 }),
      setAttribute: (key: string, value: never) => span.setAttributes({ [key]: value }),
      setAttributes(more: Attributes) {
        Object.assign(record.attributes, more);
        return span;
      },
      setStatus(status: SpanStatus) {
        record.status = status;
        return span;
      },
      end() {
        record.ended = true;
      },
      isRecording: () => true,
    } as unknown as Span;
    return span;
  };
  const startActiveSpan = (name: string, options: SpanOptions, work: (span: Span) => unknown) => {
    const span = startSpan(name, options);
    return context.with(trace.setSpan(context.active(), span), () => work(span));
  };
  context.setGlobalContextManager(manager);
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan, startActiveSpan }) as never });
  return spans;
}
