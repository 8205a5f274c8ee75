import {
  defineJob,
  deterministicUuid,
  type Emit,
  embedded,
  type SessionEdge,
  type SessionEnd,
  type SessionNode,
  type SessionRecord,
  session,
  table,
} from 'drayage';

const DIMENSIONS = 384;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const targets = {
  organisations: table({
    ddl: 'civic_reports.sql',
    after: 'civic_reports.seed.sql',
    key: ['id'],
    mode: 'upsert',
    columns: {
      id: 'uuid',
      name: 'text',
      type: 'text',
      contact_email: 'text',
      contact_api: 'text',
      facilities: 'jsonb',
    },
  }),
  facilities: table({
    ddl: 'civic_reports.sql',
    key: ['id'],
    mode: 'upsert',
    columns: { id: 'uuid', organisation_id: 'uuid', name: 'text', details: 'jsonb' },
  }),
  reporters: table({
    ddl: 'civic_reports.sql',
    key: ['id'],
    mode: 'upsert',
    columns: { id: 'uuid', name: 'text', email: 'text', is_anonymous: 'boolean' },
  }),
  reports: table({
    ddl: 'civic_reports.sql',
    after: 'civic_reports.after.sql',
    key: ['id'],
    mode: 'upsert',
    columns: {
      id: 'uuid',
      title: 'varchar(500)',
      description: 'text',
      category: 'text',
      urgency: 'text',
      entities: 'jsonb',
      confidence: 'double precision',
      status: 'text',
      submitted_at: 'timestamp',
      reporter_id: 'uuid',
      image_data: 'text',
      analysis_result: 'text',
      embedding: 'vector(384) | real[]',
    },
    // People paste what Postgres has no place for; it becomes a mark, and is counted.
    allow: {
      title: 'replace_nul',
      description: 'replace_nul',
      entities: 'replace_nul',
      analysis_result: 'replace_nul',
    },
  }),
  report_routes: table({
    ddl: 'civic_reports.sql',
    key: ['id'],
    mode: 'upsert',
    columns: {
      id: 'uuid',
      report_id: 'uuid',
      organisation_id: 'uuid',
      message: 'text',
      status: 'text',
      sent_at: 'timestamp',
    },
  }),
  related_reports: table({
    ddl: 'civic_reports.sql',
    after: 'civic_reports.duplicates.sql',
    key: ['report_id', 'related_report_id'],
    mode: 'upsert',
    columns: {
      id: 'uuid',
      report_id: 'uuid',
      related_report_id: 'uuid',
      similarity_score: 'double precision',
      relationship_type: 'text',
      found_by: 'text',
    },
  }),
};

type Emitted = Emit<typeof targets>;

export default defineJob({
  name: 'civic-reports',
  description: 'Civic reports from JAC sessions, or from reports.json, into six tables with embeddings',
  params: {
    path: { type: 'string', default: 'data/civic', help: 'session file, reports.json, folder or glob' },
    'embed-url': { type: 'string', default: '', env: 'EMBED_URL', help: 'service that gives missing embeddings' },
    'embed-model': { type: 'string', default: 'all-MiniLM-L6-v2', env: 'EMBED_MODEL', help: 'told to the service' },
  },
  source: (params) =>
    embedded(session({ path: params.path, endFields: ['id'] }), {
      url: params['embed-url'],
      model: params['embed-model'],
      dimensions: DIMENSIONS,
      text: textToEmbed,
      put: ({ fields }, embedding) => {
        fields.embedding = [...embedding];
      },
    }),
  transform: (record: SessionRecord, emit) => {
    const load = LOADERS.get(record.type);
    if (load) load(record as never, emit);
    else if (!IGNORED.includes(record.type)) emit.warn(`there is no table for a ${record.kind} of type ${record.type}`);
  },
  targets,
});

/** What holds the graph together; who reported what stands in the report as well. */
const IGNORED = ['Root', 'GenericEdge', 'ReportsOf'];

/** By the type of a node or an edge. */
const LOADERS = new Map<string, (record: never, emit: Emitted) => void>([
  ['Organisation', loadOrganisation],
  ['Reporter', loadReporter],
  ['Report', loadReport],
  ['HandledBy', loadRoute],
  ['RelatedTo', loadRelation],
]);

function loadOrganisation({ id, fields }: SessionNode, emit: Emitted): void {
  const organisation = uuidOf('Organisation', fields.id ?? id)!;
  const facilities = parsed(fields.facilities) ?? [];
  emit.organisations({
    id: organisation,
    name: text(fields.name),
    type: text(fields.type),
    contact_email: text(fields.contact_email),
    contact_api: text(fields.contact_api),
    facilities: JSON.stringify(facilities),
  });
  if (!Array.isArray(facilities)) emit.warn(`the facilities of ${fields.name} are no list`);
  for (const facility of Array.isArray(facilities) ? facilities : []) {
    const name = typeof facility === 'string' ? facility : String(facility?.name ?? JSON.stringify(facility));
    const details = typeof facility === 'string' ? null : JSON.stringify(facility);
    emit.facilities({
      id: deterministicUuid('Facility', organisation, name),
      organisation_id: organisation,
      name,
      details,
    });
  }
}

function loadReporter({ id, fields }: SessionNode, emit: Emitted): void {
  emit.reporters({
    id: uuidOf('Reporter', fields.id ?? id),
    name: text(fields.name),
    email: text(fields.email),
    // Nobody is named who has not said so.
    is_anonymous: fields.is_anonymous !== false && fields.is_anonymous !== 'false',
  });
}

function loadReport({ id, fields }: SessionNode, emit: Emitted): void {
  const embedding = embeddingOf(fields.embedding);
  if (embedding === 'malformed') emit.warn(`the embedding of "${fields.title}" is not ${DIMENSIONS} numbers`);
  emit.reports({
    id: uuidOf('Report', fields.id ?? id),
    title: fields.title === '' ? '' : text(fields.title),
    description: text(fields.description),
    category: text(fields.category),
    urgency: text(fields.urgency),
    entities: jsonOf(fields.entities),
    confidence: numberOf(fields.confidence),
    status: text(fields.status) ?? 'submitted',
    submitted_at: momentOf(fields.submitted_at),
    reporter_id: fields.reporter_id === 'anonymous' ? null : uuidOf('Reporter', fields.reporter_id),
    image_data: text(fields.image_data),
    analysis_result: text(fields.analysis_result),
    embedding: embedding === 'malformed' ? null : embedding,
  });
}

function loadRoute({ id, source, target, fields }: SessionEdge, emit: Emitted): void {
  // The edge is drawn either way round.
  const [report, organisation] = source?.type === 'Organisation' ? [target, source] : [source, target];
  if (report?.type !== 'Report' || organisation?.type !== 'Organisation') {
    emit.reject(...dangling(id));
    return;
  }
  emit.report_routes({
    id,
    report_id: idOf(report),
    organisation_id: idOf(organisation),
    message: text(fields.message),
    status: text(fields.status) ?? 'sent',
    sent_at: momentOf(fields.sent_at ?? fields.assigned_at),
  });
}

function loadRelation({ id, source, target, fields }: SessionEdge, emit: Emitted): void {
  if (source?.type !== 'Report' || target?.type !== 'Report') {
    emit.reject(...dangling(id));
    return;
  }
  emit.related_reports({
    id,
    report_id: idOf(source),
    related_report_id: idOf(target),
    similarity_score: numberOf(fields.similarity_score),
    relationship_type: text(fields.relationship_type) ?? 'duplicate',
    found_by: 'session',
  });
}

function dangling(id: string): [reason: string, message: string] {
  return ['dangling_edge', `edge ${id} leads to something that the session does not hold`];
}

function idOf({ id, type, fields }: SessionEnd): string {
  return uuidOf(type!, fields.id ?? id)!;
}

/** The id itself when it is a UUID, else one that follows from it and the type. */
function uuidOf(type: string, id: unknown): string | null {
  if (id === null || id === undefined || id === '') return null;
  return UUID.test(String(id)) ? String(id).toLowerCase() : deterministicUuid(type, String(id));
}

/** An empty text says nothing. */
function text(value: unknown): string | null {
  if (value === null || value === undefined || value === '') return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function numberOf(value: unknown): string | null {
  return value === null || value === undefined || value === '' ? null : String(value);
}

/** JSON that lies in a text, or the value itself. */
// biome-ignore lint/suspicious/noExplicitAny: whatever a program wrote
function parsed(value: unknown): any {
  if (typeof value !== 'string') return value;
  if (value.trim() === '') return undefined;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** JSON text; what is none is kept as a JSON string. */
function jsonOf(value: unknown): string | null {
  if (value === null || value === undefined || value === '') return null;
  if (typeof value !== 'string') return JSON.stringify(value);
  return parsed(value) === value ? JSON.stringify(value) : value;
}

/** A time without a zone, as Python's `str` and `isoformat` write it; one with an offset is brought to UTC. */
function momentOf(value: unknown): string | null {
  if (value === null || value === undefined || value === '') return null;
  const [, day, time, fraction = '', offset] =
    /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(String(value)) ?? [];
  if (day === undefined) return String(value);
  return new Date(`${day}T${time}${offset}`).toISOString().slice(0, 19) + fraction;
}

/** Singles, as the column keeps them; null when there is none. */
function embeddingOf(value: unknown): number[] | null | 'malformed' {
  const list = parsed(value);
  if (list === null || list === undefined || (Array.isArray(list) && list.length === 0)) return null;
  if (!Array.isArray(list) || list.length !== DIMENSIONS) return 'malformed';
  const singles = list.map((one) => Math.fround(Number(one)));
  return singles.every(Number.isFinite) ? singles : 'malformed';
}

function textToEmbed({ kind, type, fields }: SessionRecord): string | undefined {
  if (kind !== 'node' || type !== 'Report' || Array.isArray(embeddingOf(fields.embedding))) return undefined;
  const wanted = [fields.title, fields.description].filter((part) => typeof part === 'string' && part !== '');
  return wanted.length > 0 ? wanted.join('\n') : undefined;
}
