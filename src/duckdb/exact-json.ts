import duckdb from '@duckdb/node-bindings';
import { elementType, isJson, quoteIdentifier, quoteLiteral, structMembers } from './types.ts';

const { Type } = duckdb;

/** What a double keeps of any decimal (`DBL_DIG`). */
const DOUBLE_DIGITS = 15;
/** Longer decimals than that DuckDB writes digit by digit. */
const SHORT_DECIMAL = 18;
const MOST_DIGITS = 38;

/**
 * An expression that writes a value as JSON, digit by digit. DuckDB's own cast takes decimals of up to 18 digits and
 * the numbers of JSON inside of other values through a double, and writes `.5` for some.
 * @returns undefined where the cast loses nothing
 */
export function exactJson(expression: string, type: duckdb.LogicalType): string | undefined {
  if (isJson(type) || !isRounded(type)) return undefined;
  return exactly(expression, jsonText(expression, type));
}

/** One object of several columns, as `exactJson`. @param members by name: an expression, and its type */
export function exactObject(
  members: readonly { name: string; expression: string; type: duckdb.LogicalType }[],
): string {
  const names = members.map(({ name, expression }) => `${quoteIdentifier(name)}: ${expression}`);
  const object = `{${names.join(', ')}}`;
  if (!members.some(({ type }) => isRounded(type))) return `${object}::JSON`;
  return exactly(object, objectText(members));
}

/**
 * A list or struct whose maps and unions are JSON, as `exactJson` writes them.
 * @returns undefined where a cast loses nothing
 */
export function exactParts(expression: string, type: duckdb.LogicalType): string | undefined {
  return hasRoundedPart(type) ? parts(expression, type) : undefined;
}

function hasRoundedPart(type: duckdb.LogicalType): boolean {
  const id = duckdb.get_type_id(type);
  if (id === Type.LIST || id === Type.ARRAY) return hasRoundedPart(elementType(type));
  if (id === Type.STRUCT) return structMembers(type).some((member) => hasRoundedPart(member.type));
  return (id === Type.MAP || id === Type.UNION) && isRounded(type);
}

function parts(expression: string, type: duckdb.LogicalType, depth = 0): string {
  if (!hasRoundedPart(type)) return expression;
  const id = duckdb.get_type_id(type);
  if (id === Type.LIST || id === Type.ARRAY) {
    const part = `part${depth}`;
    return `list_transform(${expression}, lambda ${part}: ${parts(part, elementType(type), depth + 1)})`;
  }
  if (id !== Type.STRUCT) return exactJson(expression, type)!;
  const members = structMembers(type).map((member) => {
    const value = parts(`struct_extract(${expression}, ${quoteLiteral(member.name)})`, member.type, depth + 1);
    return `${quoteIdentifier(member.name)}: ${value}`;
  });
  return `case when ${expression} is not null then {${members.join(', ')}} end`;
}

/** @param text an expression that gives JSON; what is none, because it has NaN in it, is left to the cast */
function exactly(expression: string, text: string): string {
  return `case when ${expression} is not null then coalesce(try_cast(${text} as JSON), ${expression}::JSON) end`;
}

/** Whether DuckDB's cast to JSON would change a number somewhere inside. */
function isRounded(type: duckdb.LogicalType): boolean {
  switch (duckdb.get_type_id(type)) {
    case Type.DECIMAL: {
      const width = duckdb.decimal_width(type);
      return width > DOUBLE_DIGITS && (width <= SHORT_DECIMAL || duckdb.decimal_scale(type) === width);
    }
    case Type.VARCHAR:
      return isJson(type);
    case Type.LIST:
    case Type.ARRAY:
      return isRounded(elementType(type));
    case Type.STRUCT:
      return structMembers(type).some((member) => isRounded(member.type));
    case Type.MAP:
      return isRounded(duckdb.map_type_value_type(type));
    case Type.UNION:
      return unionMembers(type).some((member) => isRounded(member.type));
    default:
      return false;
  }
}

/** @param depth tells the lists apart that lie in each other */
function jsonText(expression: string, type: duckdb.LogicalType, depth = 0): string {
  if (!isRounded(type)) return `coalesce(to_json(${expression})::VARCHAR, 'null')`;
  const item = `item${depth}`;
  const inner = (part: string, partType: duckdb.LogicalType) => jsonText(part, partType, depth + 1);
  switch (duckdb.get_type_id(type)) {
    case Type.DECIMAL:
      return orNull(decimalText(expression, type));
    case Type.LIST:
    case Type.ARRAY:
      return orNull(`'[' || ${joined(expression, item, inner(item, elementType(type)))} || ']'`);
    case Type.STRUCT: {
      const members = structMembers(type).map((member) => {
        return { ...member, expression: `struct_extract(${expression}, ${quoteLiteral(member.name)})` };
      });
      return `case when ${expression} is null then 'null' else ${objectText(members, depth)} end`;
    }
    case Type.MAP: {
      const value = inner(`${item}."value"`, duckdb.map_type_value_type(type));
      const entry = `to_json(${item}."key"::VARCHAR)::VARCHAR || ':' || ${value}`;
      return orNull(`'{' || ${joined(`map_entries(${expression})`, item, entry)} || '}'`);
    }
    case Type.UNION: {
      const cases = unionMembers(type).map((member) => {
        const part = { ...member, expression: `union_extract(${expression}, ${quoteLiteral(member.name)})` };
        return `when ${quoteLiteral(member.name)} then ${objectText([part], depth)}`;
      });
      return orNull(`case union_tag(${expression}) ${cases.join(' ')} end`);
    }
    default:
      return orNull(`${expression}::VARCHAR`);
  }
}

const orNull = (text: string) => `coalesce(${text}, 'null')`;

const joined = (list: string, item: string, text: string) =>
  `array_to_string(list_transform(${list}, lambda ${item}: ${text}), ',')`;

function objectText(members: Parameters<typeof exactObject>[0], depth = 0): string {
  const parts = members.map(({ name, expression, type }, index) => {
    const key = quoteLiteral(`${index > 0 ? ',' : ''}${JSON.stringify(name)}:`);
    return `${key}, ${jsonText(expression, type, depth + 1)}`;
  });
  return `concat('{', ${parts.join(', ')}, '}')`;
}

/** Without a digit in front of the point it would be no JSON. */
function decimalText(expression: string, type: duckdb.LogicalType): string {
  const scale = duckdb.decimal_scale(type);
  if (scale < MOST_DIGITS) return `${expression}::DECIMAL(${MOST_DIGITS},${scale})::VARCHAR`;
  return `regexp_replace(${expression}::VARCHAR, '^(-?)[.]', '\\10.')`;
}

function unionMembers(type: duckdb.LogicalType): { name: string; type: duckdb.LogicalType }[] {
  return Array.from({ length: duckdb.union_type_member_count(type) }, (_, index) => ({
    name: duckdb.union_type_member_name(type, index),
    type: duckdb.union_type_member_type(type, index),
  }));
}
