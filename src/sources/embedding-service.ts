import { DrayageError } from '../base/errors.ts';
import { pause } from '../base/lifecycle.ts';

export interface ServiceOptions {
  url: string;
  model: string;
  dimensions: number;
  timeoutMs?: number;
  tries?: number;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** Answers that may be others in a moment: https://www.rfc-editor.org/rfc/rfc9110#section-15 */
const PASSING = [408, 425, 429, 500, 502, 503, 504];

/**
 * A service that turns texts into embeddings, by the request that most of them take: `{ "model", "input": [texts] }`,
 * answered by `{ "data": [{ "embedding", "index" }] }` (https://platform.openai.com/docs/api-reference/embeddings),
 * `{ "embeddings": [...] }` or the embeddings alone.
 */
export class EmbeddingService {
  readonly #options: ServiceOptions;
  readonly #signal: AbortSignal;

  constructor(options: ServiceOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  /** @returns an embedding for each text, in their order @throws SERVICE_UNREACHABLE, SERVICE_REFUSED */
  async embed(texts: readonly string[]): Promise<number[][]> {
    const { tries = 5 } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#ask(texts);
      if (Array.isArray(answer)) return answer;
      if (!answer.transient || attempt >= tries) throw answer;
      await pause(Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS), this.#signal);
      this.#signal.throwIfAborted();
    }
  }

  async #ask(texts: readonly string[]): Promise<number[][] | DrayageError> {
    const { url, model, timeoutMs = 30_000 } = this.#options;
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model, input: texts }),
        signal: AbortSignal.any([this.#signal, AbortSignal.timeout(timeoutMs)]),
      });
      const body = await response.text();
      if (PASSING.includes(response.status)) return this.#unreachable(`it answered ${response.status}`);
      if (!response.ok) return this.#refused(`it answered ${response.status}: ${body.slice(0, 200)}`);
      return this.#embeddingsOf(body, texts.length);
    } catch (error) {
      this.#signal.throwIfAborted();
      const { cause, message } = error as Error & { cause?: { message?: string } };
      return this.#unreachable(cause?.message ? `${message}: ${cause.message}` : message, error);
    }
  }

  #embeddingsOf(body: string, count: number): number[][] | DrayageError {
    const found = listOf(parsed(body));
    if (found?.length !== count) return this.#refused(`it answered without an embedding for each of ${count} texts`);
    const wrong = found.find((one) => one.length !== this.#options.dimensions || !one.every(Number.isFinite));
    return wrong ? this.#refused(`its embeddings are not of ${this.#options.dimensions} numbers`) : found;
  }

  #unreachable(problem: string, cause?: unknown): DrayageError {
    return new DrayageError('SERVICE_UNREACHABLE', `The embedding service cannot be asked: ${problem}`, {
      where: { field: 'embed-url' },
      hint: 'See that it runs; the partition is tried again.',
      cause,
    });
  }

  #refused(problem: string): DrayageError {
    return new DrayageError('SERVICE_REFUSED', `The embedding service is of no use: ${problem}`, {
      where: { field: 'embed-url' },
      hint: 'Check its address and the model, and enqueue the job again.',
    });
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function listOf(answer: unknown): number[][] | undefined {
  const { data, embeddings } = (answer ?? {}) as { data?: unknown; embeddings?: unknown };
  const list = Array.isArray(data) ? inOrder(data) : (embeddings ?? answer);
  return Array.isArray(list) && Array.from(list).every(Array.isArray) ? list : undefined;
}

/** Answers may come in another order than the texts, and say so. */
function inOrder(data: { index?: number; embedding?: unknown }[]): unknown[] {
  const list: unknown[] = [];
  for (const [place, one] of data.entries()) list[one?.index ?? place] = one?.embedding;
  return list;
}
