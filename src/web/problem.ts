import { DrayageError, EXIT } from '../base/errors.ts';

/** Why a request is not answered as it was meant, in terms of HTTP. */
export class Problem extends Error {
  override name = 'Problem';
  readonly status: number;
  readonly code: string;
  readonly hint: string | undefined;

  constructor(status: number, code: string, message: string, hint?: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

const STATUS: Record<string, number> = {
  RUN_NOT_FOUND: 404,
  JOB_NOT_FOUND: 404,
  PARTITION_NOT_FOUND: 404,
  STATE_REFUSED: 409,
  VERIFY_REFUSED: 409,
  DATABASE_UNREACHABLE: 503,
};

/** What a visitor is told about an error; one that nobody has foreseen says no more than that. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof DrayageError) {
    const status =
      STATUS[error.code] ?? (error.exit === EXIT.usage ? 400 : error.exit === EXIT.unreachable ? 503 : 409);
    return new Problem(status, error.code, error.message, error.hint);
  }
  const { statusCode, message, validation } = error as { statusCode?: number; message?: string; validation?: unknown };
  if (statusCode === 429) {
    return new Problem(429, 'TOO_MANY_REQUESTS', 'Too many requests in a short time', 'Wait a minute, then go on.');
  }
  if (validation !== undefined || (statusCode !== undefined && statusCode >= 400 && statusCode < 500)) {
    return new Problem(statusCode ?? 400, 'BAD_REQUEST', message ?? 'The request is wrong');
  }
  if (isConnectionError(error)) {
    return new Problem(503, 'DATABASE_UNREACHABLE', 'The database cannot be reached', 'The page comes back by itself.');
  }
  return new Problem(500, 'INTERNAL', 'Something went wrong inside', 'The log of "dray serve" says more.');
}

/** Codes of the socket, or classes 08 and 57P of SQLSTATE: there is no connection, or it was ended. */
function isConnectionError(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return (
    /^(E(CONN|PIPE|TIMEDOUT|NETUNREACH|HOSTUNREACH|AI_)[A-Z]*|08...|57P..)$/.test(code ?? '') ||
    /terminated|timeout exceeded when trying to connect/.test(message ?? '')
  );
}
