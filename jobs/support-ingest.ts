import { defineJob, files, lake, sql } from 'drayage';

/** A message of a support conversation with what an analysis has found in it; entities are a list of objects. */
const MESSAGES = {
  message_id: 'VARCHAR',
  ticket_id: 'VARCHAR',
  sent_at: 'TIMESTAMPTZ',
  opened_at: 'TIMESTAMPTZ',
  author: 'VARCHAR',
  channel: 'VARCHAR',
  product: 'VARCHAR',
  subject: 'VARCHAR',
  priority: 'VARCHAR',
  status: 'VARCHAR',
  language: 'VARCHAR',
  text: 'VARCHAR',
  sentiment: 'VARCHAR',
  score: 'DECIMAL(5,4)',
  confidence: 'DECIMAL(5,4)',
  entities: 'JSON',
} as const;

const inLake = {
  root: ({ lake: root }: Readonly<Record<string, string | undefined>>) => root,
  // A message whose date is missing is a message all the same.
  badDates: 'null partition',
  // A file that is delivered anew, mended or longer, takes the place of what it was.
  changed: 'replace',
} as const;

export default defineJob({
  name: 'support-ingest',
  description:
    'Analysed messages of support tickets from CSV, JSON or JSON Lines into a lake: sentiment, ticket, entity',
  params: {
    path: { type: 'string', default: 'data/support', help: 'file, folder, glob or s3:// prefix' },
    lake: { type: 'string', env: 'DRAYAGE_LAKE', default: 'lake', help: 'folder or s3://bucket/prefix' },
  },
  source: ({ path }) => files(path, { columns: MESSAGES }),
  transform: {
    sentiment: sql`
      select message_id, ticket_id, sent_at, author, channel, product, language, text,
        lower(sentiment) as label, score, confidence
      from source`,
    // Sums rather than means: what several files say of a ticket adds up.
    ticket: sql`
      select ticket_id, min(opened_at) as opened_at, min(sent_at) as first_message_at, max(sent_at) as last_message_at,
        arg_max(subject, moment) as subject, arg_max(product, moment) as product, arg_max(channel, moment) as channel,
        arg_max(priority, moment) as priority, arg_max(status, moment) as status,
        count(*) as messages, count(*) filter (where author = 'customer') as customer_messages,
        count(score) as scored_messages, sum(score) as score_sum, min(score) as score_min, max(score) as score_max,
        arg_min(score, moment) as score_first, arg_max(score, moment) as score_last,
        count(*) filter (where lower(sentiment) = 'negative') as negative_messages,
        coalesce(sum(json_array_length(entities)), 0) as entities
      from (select *, coalesce(sent_at, opened_at, 'epoch') as moment from source) group by ticket_id`,
    entity: sql`
      select message_id, ticket_id, sent_at, ordinal, entity->>'type' as type, entity->>'text' as text,
        coalesce(entity->>'normalized', lower(entity->>'text')) as normalized,
        entity->>'start' as start_offset, entity->>'end' as end_offset, entity->>'confidence' as confidence
      from (select message_id, ticket_id, sent_at, unnest(entities::JSON[]) as entity,
        unnest(range(1, 1 + json_array_length(entities)::bigint)) as ordinal
        from source where json_type(entities) = 'ARRAY')`,
  },
  targets: {
    sentiment: lake({
      ...inLake,
      date: 'sent_at',
      sort: ['ticket_id', 'sent_at'],
      columns: {
        ...{ message_id: 'text', ticket_id: 'text', sent_at: 'timestamptz', author: 'text', channel: 'text' },
        ...{ product: 'text', language: 'text', text: 'text' },
        ...{ label: 'text', score: 'numeric(5,4)', confidence: 'numeric(5,4)' },
      },
    }),
    ticket: lake({
      ...inLake,
      date: 'opened_at',
      sort: ['ticket_id'],
      columns: {
        ...{ ticket_id: 'text', opened_at: 'timestamptz' },
        ...{ first_message_at: 'timestamptz', last_message_at: 'timestamptz' },
        ...{ subject: 'text', product: 'text', channel: 'text', priority: 'text', status: 'text' },
        ...{ messages: 'integer', customer_messages: 'integer', scored_messages: 'integer' },
        ...{ score_sum: 'numeric(14,4)', score_min: 'numeric(5,4)', score_max: 'numeric(5,4)' },
        ...{ score_first: 'numeric(5,4)', score_last: 'numeric(5,4)' },
        ...{ negative_messages: 'integer', entities: 'integer' },
      },
    }),
    entity: lake({
      ...inLake,
      date: 'sent_at',
      sort: ['ticket_id', 'message_id', 'ordinal'],
      columns: {
        ...{ message_id: 'text', ticket_id: 'text', sent_at: 'timestamptz', ordinal: 'integer' },
        ...{ type: 'text', text: 'text', normalized: 'text', start_offset: 'integer', end_offset: 'integer' },
        confidence: 'numeric(5,4)',
      },
    }),
  },
});
