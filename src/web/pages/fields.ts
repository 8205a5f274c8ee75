/** Schemas of what stands in addresses and forms. */

export const id = { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER };
export const text = { type: 'string', maxLength: 300 };
/** Also what an empty field of a form sends. */
export const oneOf = (names: readonly string[]) => ({ type: 'string', enum: ['', ...names] });
