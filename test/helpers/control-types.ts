import type pg from 'pg';

const TYPES: Record<string, string> = {
  int2: 'number',
  int4: 'number',
  int8: 'number',
  float8: 'number',
  numeric: 'string',
  bool: 'boolean',
  text: 'string',
  uuid: 'string',
  json: 'unknown',
  jsonb: 'unknown',
  timestamptz: 'Date',
  _oid: 'number[]',
  _text: 'string[]',
};

interface Column {
  relation: string;
  column: string;
  type: string;
  nullable: boolean;
  generated: boolean;
}

/** The text of src/control/schema.ts, from the catalog of a migrated database. */
export async function controlTypes(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<Column>(
    `select c.relname as relation, a.attname as column, t.typname as type,
       not a.attnotnull as nullable, a.atthasdef or a.attidentity <> '' as generated
     from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_type t on t.oid = a.atttypid
     where c.relnamespace = 'drayage'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
       and c.relname <> 'migrations'
     order by c.relname, a.attnum`,
  );
  const relations = Map.groupBy(rows, (row) => row.relation);
  const interfaces = [...relations].map(([relation, columns]) => {
    const lines = columns.map((column) => `  ${column.column}: ${typeOf(column)};`);
    return `export interface ${typeName(relation)} {\n${lines.join('\n')}\n}\n`;
  });
  const members = [...relations.keys()].map((relation) => `  'drayage.${relation}': ${typeName(relation)};`);
  return [
    '// Made from the tables in sql/ by `npm run control-types`; a test holds both equal.\n',
    `import type { Generated } from 'kysely';\n`,
    '',
    interfaces.join('\n'),
    `export interface ControlSchema {\n${members.join('\n')}\n}\n`,
  ]
    .join('\n')
    .replace('\n\n\n', '\n\n');
}

function typeOf({ type, nullable, generated }: Column): string {
  const base = TYPES[type];
  if (!base) throw new Error(`no TypeScript type for ${type}`);
  const whole = nullable && base !== 'unknown' ? `${base} | null` : base;
  return generated ? `Generated<${whole}>` : whole;
}

function typeName(relation: string): string {
  const words = relation.split('_').map((word) => word[0]!.toUpperCase() + word.slice(1));
  return words.join('');
}
