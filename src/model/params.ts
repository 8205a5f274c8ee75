import { DrayageError, type Where } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';

export interface ParamDeclaration {
  type: 'string' | 'number' | 'boolean';
  default?: string | number | boolean;
  /** Environment variable that gives the value when the command line does not. */
  env?: string;
  help?: string;
}

export type ParamDeclarations = Readonly<Record<string, ParamDeclaration>>;

type ValueOf<Declaration extends ParamDeclaration> = Declaration['type'] extends 'number'
  ? number
  : Declaration['type'] extends 'boolean'
    ? boolean
    : string;

export type ParamValues<Params extends ParamDeclarations> = { [Name in keyof Params]: ValueOf<Params[Name]> };

const TYPES = ['string', 'number', 'boolean'];
const FIELDS = ['type', 'default', 'env', 'help'];

/** @throws JOB_INVALID for a declaration that makes no sense */
export function validateParams(given: unknown, where: Where): ParamDeclarations {
  const declarations = given as ParamDeclarations;
  for (const [name, declaration] of Object.entries(declarations)) {
    const at = { ...where, field: `params.${name}` };
    const unknown = Object.keys(declaration).find((field) => !FIELDS.includes(field));
    if (unknown) {
      throw new DrayageError('JOB_INVALID', `A parameter has no field "${unknown}".${didYouMean(unknown, FIELDS)}`, {
        where: at,
      });
    }
    if (!TYPES.includes(declaration.type)) {
      throw new DrayageError('JOB_INVALID', `A parameter's type is "${declaration.type}"`, {
        where: at,
        hint: `Use one of ${TYPES.join(', ')}.`,
      });
    }
    if (declaration.default !== undefined && typeof declaration.default !== declaration.type) {
      throw new DrayageError('JOB_INVALID', `The default is not a ${declaration.type}`, { where: at });
    }
  }
  return declarations;
}

/**
 * The values of a run: from the command line, else from the environment, else the defaults.
 * @param given texts as typed, by name
 * @throws PARAM_INVALID for an unknown name, a missing value or one of the wrong type
 */
export function resolveParams(
  job: { name: string; params: ParamDeclarations },
  given: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv,
): Record<string, string | number | boolean> {
  const names = Object.keys(job.params);
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    throw new DrayageError('PARAM_INVALID', `There is no parameter "${name}".${didYouMean(name, names)}`, {
      where: { job: job.name },
      hint: names.length > 0 ? `Its parameters: ${names.join(', ')}.` : 'This job takes no parameters.',
    });
  }
  const values: Record<string, string | number | boolean> = {};
  for (const [name, declaration] of Object.entries(job.params)) {
    const text = given[name] ?? (declaration.env ? env[declaration.env] : undefined);
    const value = text === undefined ? declaration.default : parse(text, declaration, { job: job.name, field: name });
    if (value === undefined) {
      throw new DrayageError('PARAM_INVALID', `Parameter "${name}" has no value`, {
        where: { job: job.name },
        hint: `Give it with --param ${name}=…${declaration.env ? ` or ${declaration.env}` : ''}.`,
      });
    }
    values[name] = value;
  }
  return values;
}

function parse(text: string, { type }: ParamDeclaration, where: Where): string | number | boolean {
  if (type === 'string') return text;
  if (type === 'boolean' && /^(true|false)$/.test(text)) return text === 'true';
  if (type === 'number' && text.trim() !== '' && Number.isFinite(Number(text))) return Number(text);
  throw new DrayageError('PARAM_INVALID', `Parameter "${where.field}" is "${text}", not a ${type}`, {
    where: { job: where.job ?? '' },
    hint: type === 'boolean' ? 'Use true or false.' : 'Use a number such as 42 or 0.5.',
  });
}
