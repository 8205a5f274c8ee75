import { DrayageError } from '../base/errors.ts';

interface Failure {
  name?: string;
  message?: string;
  code?: string;
  $metadata?: { httpStatusCode?: number };
}

const DENIED = [
  'AccessDeniedException',
  'UnrecognizedClientException',
  'InvalidSignatureException',
  'MissingAuthenticationTokenException',
  'ExpiredTokenException',
  'IncompleteSignatureException',
  'CredentialsProviderError',
];
const THROTTLED = [
  'ProvisionedThroughputExceededException',
  'ThrottlingException',
  'RequestLimitExceeded',
  'LimitExceededException',
];

/**
 * What DynamoDB or the network said, as an error of ours. Names of errors:
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
 */
export function dynamoError(cause: unknown, table: string, signal: AbortSignal): DrayageError {
  if (cause instanceof DrayageError) return cause;
  if (signal.aborted) {
    const { reason } = signal;
    return reason instanceof DrayageError
      ? reason
      : new DrayageError('INTERRUPTED', 'The read was interrupted', { cause });
  }
  const { name = '', message = String(cause), code = '', $metadata } = (cause ?? {}) as Failure;
  const status = $metadata?.httpStatusCode;
  const where = { file: table };
  const said = `${name && !message.startsWith(name) ? `${name}: ` : ''}${message}`;
  if (name === 'ResourceNotFoundException') {
    const hint = 'Check its name, and the account, region or endpoint that it is looked for in.';
    return new DrayageError('SOURCE_MISSING', `There is no DynamoDB table "${table}"`, { where, hint, cause });
  }
  if (/region is missing/i.test(message)) {
    const hint = 'Set AWS_REGION, or the option region of the source.';
    return new DrayageError('STORE_DENIED', 'The region of DynamoDB is missing', { where, hint, cause });
  }
  if (THROTTLED.includes(name)) {
    const hint = 'Allow more read capacity, or less use of it with the option readUnits. It is tried again by itself.';
    return new DrayageError('STORE_FAILED', `DynamoDB throttles the reads: ${said}`, { where, hint, cause });
  }
  if (DENIED.includes(name) || status === 401 || status === 403) {
    const hint =
      'Credentials are looked for where all AWS tools do: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, a role. They need dynamodb:DescribeTable, dynamodb:Scan and dynamodb:Query.';
    return new DrayageError('STORE_DENIED', `DynamoDB refuses access: ${said}`, { where, hint, cause });
  }
  if (status === undefined && (code !== '' || /timeout|network|socket|connect/i.test(said))) {
    const hint = 'Check the network, and the endpoint if you use one of your own.';
    return new DrayageError('STORE_UNREACHABLE', `DynamoDB is out of reach: ${said || code}`, { where, hint, cause });
  }
  return new DrayageError('STORE_FAILED', `DynamoDB failed: ${said}${status ? ` (HTTP ${status})` : ''}`, {
    where,
    cause,
  });
}
