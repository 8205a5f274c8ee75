import { expect, test } from 'vitest';
import { openDrayage } from '../helpers/in-process.ts';
import { type RecordedSpan, recordSpans } from '../helpers/spans.ts';
import { useWorkspace, type Workspace } from '../helpers/workspace.ts';

let workspace: Workspace;
useWorkspace((opened) => {
  workspace = opened;
});

test('every attempt has a span, with what it did inside of it, and says what became of its rows', async () => {
  const { project, database } = workspace;
  await project.write('in/good.csv', 'id,note\n1,one\n2,two\n');
  await project.write('in/odd.csv', 'id,note\n3,three\nfour,four\n');
  await project.write(
    'jobs/notes.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'notes', description: 'Notes', maxRejects: 0,
       source: () => files('in/*.csv', { columns: { id: 'integer', note: 'varchar' } }),
       targets: { notes: table({ createTable: 'infer', key: ['id'], mode: 'upsert' }) },
     });`,
  );
  const spans = recordSpans();
  const drayage = await openDrayage(project.root, database.url);
  await drayage.run('notes', {});
  // Rows that are there already are read in several goes, some of them when the server asks for more.
  await project.write('in/good.csv', 'id,note\n1,one\n2,changed\n5,new\n');
  await drayage.run('notes', {});
  await drayage.close();
  const attempts = spans.filter(({ name }) => name === 'attempt');
  const of = (file: string) =>
    attempts.filter(({ attributes }) => String(attributes['drayage.partition']).includes(file));
  const within = ({ id }: RecordedSpan) => spans.filter(({ parent }) => parent === id).map(({ name }) => name);
  const good = of('good.csv').find(({ status }) => status === undefined)!;
  expect(good.attributes).toMatchObject({
    'drayage.job': 'notes',
    'drayage.run': 1,
    'drayage.rows.read': 2,
    'drayage.rows.written': 2,
    'drayage.rows.rejected': 0,
  });
  expect(within(good)).toEqual(['transform', 'load', 'commit']);
  const load = spans.find(({ name, parent }) => name === 'load' && parent === good.id)!;
  expect(load.attributes).toEqual({ 'db.collection.name': 'public.notes' });
  expect(within(load)).toContain('read');
  const read = spans.find(({ name, parent }) => name === 'read' && parent === load.id)!;
  expect(read.attributes['drayage.busy_seconds']).toBeGreaterThan(0);
  const failed = of('odd.csv').find(({ status }) => status !== undefined)!;
  expect(failed).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': 'TOO_MANY_REJECTS' } });
  expect(within(failed)).not.toContain('commit');
  const reads = spans.filter(({ name }) => name === 'read');
  expect(reads.length).toBeGreaterThan(attempts.length);
  for (const { parent } of reads) expect(spans.find(({ id }) => id === parent)?.name).toBe('load');
  expect(spans.filter(({ ended }) => !ended)).toEqual([]);
});
