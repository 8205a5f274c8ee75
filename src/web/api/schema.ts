/** JSON Schema (2020-12), as OpenAPI 3.1 uses it. */
export type Schema = Record<string, unknown>;

export const int: Schema = { type: 'integer' };
export const number: Schema = { type: 'number' };
export const text: Schema = { type: 'string' };
export const bool: Schema = { type: 'boolean' };
export const moment: Schema = { type: 'string', format: 'date-time' };
export const free: Schema = { type: 'object', additionalProperties: true };

export const or = (schema: Schema): Schema => ({ ...schema, type: [schema.type, 'null'] });
export const list = (items: Schema): Schema => ({ type: 'array', items });
export const said = (schema: Schema, description: string): Schema => ({ ...schema, description });

/** An object with exactly these members. */
export const object = (properties: Record<string, Schema>): Schema => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

/** One page of a list. */
export const page = (items: Schema): Schema =>
  object({
    items: list(items),
    next: said(or(text), 'Give it as `cursor` for the page that follows; null on the last one.'),
  });
