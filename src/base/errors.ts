/**
 * Every error that a user can meet. The code decides the exit status and whether a retry can help; the message says
 * what is wrong, `where` says where, `hint` says what to do next.
 */

export const EXIT = { done: 0, failures: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;

interface CodeRule {
  exit: number;
  /** A transient error is worth another attempt; a terminal one will happen again. */
  transient: boolean;
}

const terminalUsage: CodeRule = { exit: EXIT.usage, transient: false };
const terminalFailure: CodeRule = { exit: EXIT.failures, transient: false };
const transientFailure: CodeRule = { exit: EXIT.failures, transient: true };

export const CODES = {
  USAGE: terminalUsage,
  CONFIG_INVALID: terminalUsage,
  JOB_NOT_FOUND: terminalUsage,
  JOB_INVALID: terminalUsage,
  JOB_CHANGED: terminalFailure,
  PARAM_INVALID: terminalUsage,
  RUN_NOT_FOUND: terminalUsage,
  PARTITION_NOT_FOUND: terminalUsage,
  STATE_REFUSED: terminalUsage,
  SOURCE_MISSING: terminalUsage,
  SOURCE_INVALID: terminalUsage,
  SOURCE_CHANGED: terminalFailure,
  SOURCE_UNREADABLE: terminalFailure,
  STORE_DENIED: terminalUsage,
  STORE_UNREACHABLE: { exit: EXIT.unreachable, transient: true },
  STORE_FAILED: transientFailure,
  STORE_FULL: transientFailure,
  SERVICE_UNREACHABLE: { exit: EXIT.unreachable, transient: true },
  SERVICE_REFUSED: terminalUsage,
  SPOOL_FULL: transientFailure,
  TRANSFORM_INVALID: terminalUsage,
  TRANSFORM_FAILED: terminalFailure,
  // Another attempt gets more.
  OUT_OF_MEMORY: transientFailure,
  TARGET_INVALID: terminalUsage,
  TARGET_EMPTIED: terminalFailure,
  TYPE_UNMAPPED: terminalUsage,
  EXPORT_REFUSED: terminalUsage,
  LAKE_INVALID: terminalFailure,
  LAKE_MISSING: terminalUsage,
  LAKE_CHANGED: transientFailure,
  QUERY_INVALID: terminalUsage,
  QUERY_REFUSED: terminalUsage,
  QUERY_FAILED: terminalFailure,
  LOAD_REFUSED: terminalFailure,
  TOO_MANY_REJECTS: terminalFailure,
  REPLAY_REFUSED: terminalUsage,
  VERIFY_REFUSED: terminalUsage,
  ROWS_UNACCOUNTED: terminalFailure,
  CLAIM_LOST: transientFailure,
  INTERRUPTED: { exit: EXIT.interrupted, transient: true },
  DATABASE_UNREACHABLE: { exit: EXIT.unreachable, transient: true },
  DATABASE_FAILED: transientFailure,
  DATABASE_REFUSED: terminalFailure,
  INTERNAL: terminalFailure,
} as const satisfies Record<string, CodeRule>;

export type ErrorCode = keyof typeof CODES;

/** Coordinates of an error, as far as they are known. */
export interface Where {
  job?: string;
  run?: number;
  partition?: string;
  file?: string;
  row?: number;
  column?: string;
  table?: string;
  field?: string;
}

export interface Details {
  where?: Where;
  hint?: string;
  cause?: unknown;
}

export class DrayageError extends Error {
  override name = 'DrayageError';
  readonly code: ErrorCode;
  readonly where: Where;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, { where = {}, hint, cause }: Details = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.where = where;
    this.hint = hint;
  }

  get transient(): boolean {
    return CODES[this.code].transient;
  }

  get exit(): number {
    return CODES[this.code].exit;
  }
}

/**
 * The same error with more coordinates; those that it has already win, since they were nearer to the cause.
 * Anything that is not a DrayageError becomes an INTERNAL one.
 */
export function locate(error: unknown, where: Where): DrayageError {
  if (error instanceof DrayageError) {
    const { code, message, hint, cause } = error;
    return new DrayageError(code, message, {
      where: { ...where, ...error.where },
      ...(hint === undefined ? {} : { hint }),
      cause: cause ?? error,
    });
  }
  const message = error instanceof Error ? error.message : String(error);
  if (isDiskFull(error)) return locate(diskFull(message, error), where);
  return new DrayageError('INTERNAL', message, { where, cause: error });
}

/** Whether the system has refused a write for want of room. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** For temporary files, which are the only ones that are written without saying so. @param said by the system */
export function diskFull(said: string, cause: unknown): DrayageError {
  return new DrayageError('SPOOL_FULL', `The disk for temporary files is full: ${said}`, {
    hint: 'Make room on the disk of DRAYAGE_HOME, name a folder on a larger one, or allow more with DRAYAGE_SPOOL_MB.',
    cause,
  });
}

/** Whether the system has refused to show something. */
export function isForbidden(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === 'EACCES' || code === 'EPERM';
}

/** A file, or a folder, that is there. @param cause as the system says it */
export function fileUnreadable(file: string, cause: unknown): DrayageError {
  return new DrayageError('SOURCE_UNREADABLE', `${file} cannot be read: ${(cause as Error).message}`, {
    where: { file },
    hint: 'Check its permissions, and as whom Drayage runs.',
    cause,
  });
}

/** One paragraph for people: what, where, what to do. */
export function explain(error: unknown): string {
  if (!(error instanceof DrayageError)) return error instanceof Error ? error.message : String(error);
  const places = Object.entries(error.where)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${value}`);
  const parts = [sentence(error.message)];
  if (places.length > 0) parts.push(`Where: ${places.join(', ')}.`);
  if (error.hint) parts.push(sentence(error.hint));
  return parts.join(' ');
}

function sentence(text: string): string {
  const trimmed = text.trim();
  return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
