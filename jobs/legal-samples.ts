import { defineJob, files, sql, table } from 'drayage';

export default defineJob({
  name: 'legal-samples',
  description: 'Legal training samples from Parquet or JSONL into legal_samples',
  params: {
    path: {
      type: 'string',
      default: 'data/legal',
      help: 'file, folder, glob or s3:// prefix of .parquet and .jsonl files',
    },
  },
  source: ({ path }) =>
    files(path, {
      // Files of different ages lack some of these.
      columns: {
        id: 'VARCHAR',
        question: 'VARCHAR',
        answer: 'VARCHAR',
        topic: 'VARCHAR',
        difficulty: 'VARCHAR',
        case_citation: 'VARCHAR',
        reasoning: 'VARCHAR',
        jurisdiction: 'VARCHAR',
        batch_id: 'VARCHAR',
        sample_type: 'VARCHAR',
      },
    }),
  // The table wants a citation and a reasoning in every row; where a sample has none, it gets the empty text. A sample
  // without a question is none, and is rejected by the table's own rule.
  transform: sql`
    select id, question, answer, topic, difficulty,
      coalesce(case_citation, '') as case_citation,
      coalesce(reasoning, '') as reasoning,
      coalesce(jurisdiction, 'uk') as jurisdiction,
      batch_id,
      coalesce(sample_type, 'case_analysis') as sample_type
    from source`,
  targets: {
    legal_samples: table({ ddl: 'legal_samples.sql', after: 'legal_samples.after.sql', key: ['id'], mode: 'upsert' }),
  },
});
