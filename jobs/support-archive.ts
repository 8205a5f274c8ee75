import { defineJob, lake, postgres, sql, together } from 'drayage';

const inLake = {
  root: ({ lake: root }: Readonly<Record<string, string | undefined>>) => root,
  // A row whose date is missing is a row all the same.
  badDates: 'null partition',
  // A month in which something has changed takes the place of what it was.
  changed: 'replace',
} as const;

export default defineJob({
  name: 'support-archive',
  description: 'Support tickets, sentiment and entities from Postgres tables into a lake',
  params: {
    lake: { type: 'string', env: 'DRAYAGE_LAKE', default: 'lake', help: 'folder or s3://bucket/prefix' },
    database: { type: 'string', default: '', help: 'variable with the connection string; default: the own database' },
  },
  source: ({ database }) => {
    const monthly = { every: 'month', ...(database ? { database } : {}) } as const;
    return together({
      ticket: postgres({ table: 'support_ticket', by: 'opened_at', ...monthly }),
      sentiment: postgres({ table: 'support_sentiment', by: 'sent_at', ...monthly }),
      entity: postgres({ table: 'support_entity', by: 'sent_at', ...monthly }),
    });
  },
  transform: {
    ticket: sql`
      select ticket_id, opened_at, first_message_at, last_message_at, subject, product, channel, priority, status, messages,
        customer_messages, scored_messages, score_sum, score_min, score_max, score_first, score_last, negative_messages,
        entities
      from source where origin = 'ticket'`,
    sentiment: sql`
      select message_id, ticket_id, sent_at, author, channel, product, language, text, label, score, confidence
      from source where origin = 'sentiment'`,
    entity: sql`
      select message_id, ticket_id, sent_at, ordinal, type, text, normalized, start_offset, end_offset, confidence
      from source where origin = 'entity'`,
  },
  targets: {
    ticket: lake({ ...inLake, date: 'opened_at', sort: ['ticket_id'] }),
    sentiment: lake({ ...inLake, date: 'sent_at', sort: ['ticket_id', 'sent_at'] }),
    entity: lake({ ...inLake, date: 'sent_at', sort: ['ticket_id', 'message_id', 'ordinal'] }),
  },
});
