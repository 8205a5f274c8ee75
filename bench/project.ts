import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scenario } from './scenarios.ts';

/** A project with one job for each scenario, as a user would write them. */
export async function writeProject(root: string, scenarios: readonly Scenario[]): Promise<void> {
  await mkdir(join(root, 'jobs'), { recursive: true });
  for (const scenario of scenarios) {
    const { name, target } = scenario;
    await writeFile(
      join(root, `jobs/${jobName(name)}.ts`),
      `import { defineJob, files, table } from 'drayage';
export default defineJob({
  name: '${jobName(name)}', description: 'Benchmark', params: { path: { type: 'string' } },
  source: ({ path }) => files(path), targets: { ${tableName(scenario)}: table(${target}) },
});
`,
    );
  }
}

export const jobName = (scenario: string) => `bench-${scenario}`;
export const tableName = ({ name, over, again }: Scenario) => `bench_${(again ? `${over}` : name).replace('-', '_')}`;
