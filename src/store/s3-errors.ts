import { DrayageError } from '../base/errors.ts';

interface S3Failure {
  name?: string;
  message?: string;
  code?: string;
  $metadata?: { httpStatusCode?: number };
}

const DENIED = [
  'AccessDenied',
  'AllAccessDisabled',
  'AccountProblem',
  'ExpiredToken',
  'Forbidden',
  'InvalidAccessKeyId',
  'InvalidToken',
  'RequestTimeTooSkewed',
  'SignatureDoesNotMatch',
  'CredentialsProviderError',
  'InvalidObjectState',
];
const WRONG_REGION = ['PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException'];

/**
 * What S3 or the network said, as an error of ours. Names of errors:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 * @param uri what was asked for, `s3://bucket/key`
 */
export function s3Error(cause: unknown, uri: string, signal?: AbortSignal): DrayageError {
  if (cause instanceof DrayageError) return cause;
  if (signal?.aborted) {
    const { reason } = signal;
    return reason instanceof DrayageError
      ? reason
      : new DrayageError('INTERRUPTED', 'The read was interrupted', { cause });
  }
  const { name = '', message = String(cause), code = '', $metadata } = (cause ?? {}) as S3Failure;
  const status = $metadata?.httpStatusCode;
  const where = { file: uri };
  const said = `${name && !message.startsWith(name) ? `${name}: ` : ''}${message}`;
  if (name === 'NoSuchBucket') {
    const hint = 'Check the name of the bucket and the account, region or endpoint that it is looked for in.';
    return new DrayageError('SOURCE_MISSING', 'There is no such bucket', { where, hint, cause });
  }
  if (name === 'PreconditionFailed' || status === 412) {
    const hint = 'Enqueue the job again: what is loaded already is left alone, and the new content is planned.';
    return new DrayageError('SOURCE_CHANGED', 'The object changed after it was planned', { where, hint, cause });
  }
  if (name === 'NoSuchKey' || name === 'NotFound' || status === 404) {
    return new DrayageError('SOURCE_MISSING', 'There is no such object', { where, hint: 'Check the path.', cause });
  }
  if (WRONG_REGION.includes(name) || /region is missing/i.test(message)) {
    const hint = 'Set AWS_REGION, or the option s3: { region } of the source.';
    return new DrayageError('STORE_DENIED', `The region is wrong or missing: ${said}`, { where, hint, cause });
  }
  if (DENIED.includes(name) || status === 401 || status === 403) {
    const hint =
      'Credentials are looked for where all AWS tools do: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, a role. They need s3:GetObject, and s3:ListBucket for prefixes.';
    return new DrayageError('STORE_DENIED', `S3 refuses access: ${said}`, { where, hint, cause });
  }
  if (status === undefined && (code !== '' || /timeout|network|socket|connection/i.test(said))) {
    const hint = 'Check the network, and the endpoint if you use one of your own.';
    return new DrayageError('STORE_UNREACHABLE', `S3 is out of reach: ${said || code}`, { where, hint, cause });
  }
  return new DrayageError('STORE_FAILED', `S3 failed: ${said}${status ? ` (HTTP ${status})` : ''}`, { where, cause });
}
