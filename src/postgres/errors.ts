import { DrayageError, locate } from '../base/errors.ts';

/** The parts of node-postgres's error that say something. */
interface ServerError extends Error {
  code?: string;
  detail?: string;
  table?: string;
  column?: string;
  constraint?: string;
  where?: string;
  /** The server's function that refused; unlike the message it is the same in every language. */
  routine?: string;
}

export const UNIQUE_VIOLATION = '23505';
const FOREIGN_KEY_VIOLATION = '23503';
/** `insufficient_privilege` */
export const FORBIDDEN = '42501';

/** Whether the server said it, rather than the network or this program. */
export function isOfServer(error: unknown): boolean {
  return error instanceof Error && 'severity' in error && 'routine' in error;
}

/** The SQLSTATE of a server error, or the system's code of a network error. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as ServerError).code : undefined;
}

/** Whether a unique violation was raised by one of these constraints or indexes. */
export function violatesAny(error: unknown, constraints: readonly string[]): boolean {
  return codeOf(error) === UNIQUE_VIOLATION && constraints.includes((error as ServerError).constraint ?? '');
}

/** Whether a row was refused for one of these foreign keys. */
export function breaks(error: unknown, constraints: readonly string[]): boolean {
  return codeOf(error) === FOREIGN_KEY_VIOLATION && constraints.includes((error as ServerError).constraint ?? '');
}

/** A column, a constraint, a function, a relation. */
const EXISTS = ['42701', '42710', '42723', '42P07'];

/** Whether a statement was refused because what it would make is there already. */
export function existsAlready(error: unknown): boolean {
  if (EXISTS.includes(codeOf(error) ?? '')) return true;
  // This code has many reasons; a second primary key is one of them.
  return codeOf(error) === '42P16' && (error as ServerError).routine === 'index_check_primary_key';
}

/** SQLSTATE classes and codes that may well not happen again (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const TRANSIENT = /^(08|40|53|57P|57014|55P03|55006|58|25P0[23])/;
/** Codes of the network and of node-postgres itself. */
const NETWORK = /^(ECONN|EPIPE|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH)/;
const CONNECTION_ENDED =
  /Connection terminated|connection is closed|Client has encountered a connection error|not queryable|Query read timeout|timeout exceeded when trying to connect/i;
/** Data, constraints, views with a check, raised by a trigger, and rows or index entries that are too large. */
const ROW_CLASSES = /^(22|23|44|P0|54000)/;
/** Nothing that another row would mend: syntax and rights, and what is wrong with the server or the transaction. */
const NOT_OF_A_ROW = /^(0A|2[58BD]|42|55|57|58|F0|XX)/;
const IN_COPY = /^COPY .*?, line (\d+)/m;
const IN_FUNCTION = /^PL\/pgSQL function /m;

/** Short and stable names, for grouping rejects. */
const REASONS: Record<string, string> = {
  '23502': 'null_not_allowed',
  '23503': 'foreign_key',
  '23505': 'not_unique',
  '23514': 'check',
  '23P01': 'exclusion',
  '22001': 'too_long',
  '22003': 'out_of_range',
  '54000': 'too_large',
  P0001: 'raised',
};

/** What is wrong with a row. */
export interface RowFault {
  column: string | null;
  reason: string;
  message: string;
}

/** What is wrong with a row that the server has refused; undefined when the error is not about a row. */
export function faultOf(error: unknown): RowFault | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code = '', message, detail, column, where = '' } = error as ServerError;
  if (!/^[0-9A-Z]{5}$/.test(code) || TRANSIENT.test(code)) return undefined;
  // A trigger may raise any code it likes; then the context tells that it was about a row.
  const inRow = IN_COPY.test(where) || IN_FUNCTION.test(where);
  if (!ROW_CLASSES.test(code) && (NOT_OF_A_ROW.test(code) || !inRow)) return undefined;
  const named = column ?? /^COPY .*?, line \d+, column ([^:\n]+)/m.exec(where)?.[1] ?? null;
  return {
    column: named,
    reason: REASONS[code] ?? `sqlstate_${code}`,
    message: detail ? `${message}; ${detail}` : message,
  };
}

/** Which of so many rows of a COPY the server stumbled over, from 0; undefined when it does not say. */
export function rowInCopy(error: unknown, rows: number): number | undefined {
  const line = Number(IN_COPY.exec((error as ServerError).where ?? '')?.[1]);
  return line >= 1 && line <= rows ? line - 1 : undefined;
}

/** A failure of a statement on an established connection, classified once for everybody. */
export function databaseError(error: unknown): DrayageError {
  if (error instanceof DrayageError) return error;
  if (!(error instanceof Error)) return locate(error, {});
  const { code = '', message, detail, table, column, constraint, where } = error as ServerError;
  if (NETWORK.test(code) || TRANSIENT.test(code) || CONNECTION_ENDED.test(message)) {
    return new DrayageError('DATABASE_FAILED', `The database failed: ${message}`, { cause: error });
  }
  if (!/^[0-9A-Z]{5}$/.test(code)) return locate(error, {});
  const place = { ...(table ? { table } : {}), ...(column ? { column } : {}) };
  const said = [message, detail, where?.split('\n')[0]].filter(Boolean).join('; ');
  if (ROW_CLASSES.test(code)) {
    return new DrayageError('LOAD_REFUSED', `Postgres refused a row: ${said}`, {
      where: place,
      hint: constraint
        ? `Mend the rows that break "${constraint}" in the transform, or change the constraint.`
        : 'Mend the value in the transform, or change the column.',
      cause: error,
    });
  }
  return new DrayageError('DATABASE_REFUSED', `Postgres refused the statement: ${said} (${code})`, {
    where: place,
    ...(code === FORBIDDEN
      ? { hint: 'Grant the right to the role that connects, or connect as one that has it.' }
      : {}),
    cause: error,
  });
}

/**
 * A failure to connect.
 * @param server host and port, without credentials
 * @param variable of the environment that names the database
 */
export function connectionError(error: unknown, server: string, variable = 'DATABASE_URL'): DrayageError {
  const { message, code = '' } = error as ServerError;
  return new DrayageError('DATABASE_UNREACHABLE', `Cannot connect to Postgres at ${server}: ${message || code}`, {
    hint: connectionHint(code, message).replaceAll('DATABASE_URL', variable),
    cause: error,
  });
}

function connectionHint(code: string, message: string): string {
  if (/self-signed|certificate/i.test(message)) {
    return 'To encrypt without checking the certificate, add sslmode=no-verify to DATABASE_URL.';
  }
  if (/does not support SSL/i.test(message)) return 'Take sslmode out of DATABASE_URL, or turn TLS on at the server.';
  if (/no encryption|SSL off/i.test(message)) return 'The server wants TLS: add sslmode=require to DATABASE_URL.';
  if (/^28/.test(code)) return 'Check user and password in DATABASE_URL.';
  if (code === '3D000') return 'Create the database, or mend its name in DATABASE_URL.';
  return 'Check DATABASE_URL and that the server is up; "dray doctor" tries each step.';
}
