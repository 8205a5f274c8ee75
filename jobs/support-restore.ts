import { defineJob, lakeFiles, sql, table, together } from 'drayage';

/** The tables are what the lake has, and nothing else; views on them stay. */
const restored = (name: string) => table({ ddl: `${name}.sql`, after: `${name}.after.sql`, mode: 'replace' });

export default defineJob({
  name: 'support-restore',
  description: 'Support tickets, sentiment and entities from a lake back into Postgres tables',
  params: {
    lake: { type: 'string', env: 'DRAYAGE_LAKE', default: 'lake', help: 'folder or s3://bucket/prefix' },
  },
  source: ({ lake: root }) =>
    together({
      ticket: lakeFiles({ root, dataset: 'ticket' }),
      sentiment: lakeFiles({ root, dataset: 'sentiment' }),
      entity: lakeFiles({ root, dataset: 'entity' }),
    }),
  transform: {
    support_ticket: sql`
      select ticket_id, opened_at, first_message_at, last_message_at, subject, product, channel, priority, status, messages,
        customer_messages, scored_messages, score_sum, score_min, score_max, score_first, score_last, negative_messages,
        entities
      from source where origin = 'ticket'`,
    support_sentiment: sql`
      select message_id, ticket_id, sent_at, author, channel, product, language, text, label, score, confidence
      from source where origin = 'sentiment'`,
    support_entity: sql`
      select message_id, ticket_id, sent_at, ordinal, type, text, normalized, start_offset, end_offset, confidence
      from source where origin = 'entity'`,
  },
  targets: {
    support_ticket: restored('support_ticket'),
    support_sentiment: restored('support_sentiment'),
    support_entity: restored('support_entity'),
  },
});
