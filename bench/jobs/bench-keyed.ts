import { defineJob, files, table } from 'drayage';

export default defineJob({
  name: 'bench-keyed',
  description: 'The rows of the benchmark into a table with a primary key',
  params: { path: { type: 'string' } },
  source: ({ path }) => files(path),
  targets: { bench_keyed: table({ ddl: 'bench_keyed.sql' }) },
});
