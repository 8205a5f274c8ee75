import { defineJob, files, table } from 'drayage';

export default defineJob({
  name: 'bench-heap',
  description: 'The rows of the benchmark into a table without a key',
  params: { path: { type: 'string' } },
  source: ({ path }) => files(path),
  targets: { bench_heap: table({ ddl: 'bench_heap.sql' }) },
});
