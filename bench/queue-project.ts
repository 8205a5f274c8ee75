import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A project with one job, whose partitions are as many, as small and as slow to read as its parameters say. */
export async function writeQueueProject(root: string): Promise<void> {
  await mkdir(join(root, 'jobs'), { recursive: true });
  await mkdir(join(root, 'sql/targets'), { recursive: true });
  await writeFile(
    join(root, 'sql/targets/bench_ticks.sql'),
    'create table bench_ticks (id bigint not null, name text not null)',
  );
  await writeFile(
    join(root, 'jobs/ticks.ts'),
    `import { setTimeout as sleep } from 'node:timers/promises';
import { defineJob, table } from 'drayage';

const record = (id) => ({ row: 1, value: { id, name: 'partition ' + id }, raw: () => '{}' });

export default defineJob({
  name: 'ticks',
  description: 'Benchmark of the queue',
  params: { count: { type: 'number' }, latency: { type: 'number', default: 0 }, mark: { type: 'string' } },
  source: ({ count, latency, mark }) => ({
    description: 'ticks',
    async *enumerate() {
      for (let id = 1; id <= count; id++) {
        const key = 'tick-' + id;
        yield { key, fingerprint: mark + key, rows: 1, bytes: 100, file: 'tick', shape: 'tick', spec: { id } };
      }
    },
    async open({ spec: { id } }) {
      if (latency > 0) await sleep(latency);
      return {
        async *records() { yield record(id); },
        async assertUnchanged() {},
        async close() {},
      };
    },
  }),
  transform: (tick, emit) => emit.bench_ticks(tick),
  targets: { bench_ticks: table({ ddl: 'bench_ticks.sql', columns: { id: 'bigint', name: 'text' } }) },
});
`,
  );
}
