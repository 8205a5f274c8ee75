import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CORPUS, corpusPresent } from '../helpers/corpus.ts';
import type { TestDatabase } from '../helpers/database.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { useWorkspace } from '../helpers/workspace.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const FOLDER = join(CORPUS, 'jac');

const idIn = (row: object) => String((row as { id?: unknown }).id);

/** Of the expected dump. */
interface Dumped {
  key: string;
  value: {
    archetype: Record<string, unknown> & { $class: string };
    source?: { id: { $uuid: string } };
    target?: { id: { $uuid: string } };
  };
}

describe.skipIf(!corpusPresent())('the JAC sessions through the queue', () => {
  let database: TestDatabase;
  let drayage: Awaited<ReturnType<typeof openDrayage>>;

  useWorkspace(async (at) => {
    database = at.database;
    await cp(join(REPOSITORY, 'jobs/civic-reports.ts'), join(at.project.root, 'jobs/civic-reports.ts'));
    await cp(join(REPOSITORY, 'sql/targets'), join(at.project.root, 'sql/targets'), { recursive: true });
    drayage = await openDrayage(at.project.root, database.url);
  });
  afterAll(() => drayage?.close());

  const rows = async (sql: string) => (await database.pool.query(sql)).rows;
  const run = (file: string) =>
    drayage.run('civic-reports', { path: join(FOLDER, file), 'embed-url': '', 'embed-model': 'm' });
  const json = (value: unknown) => JSON.parse(String(value));

  test('become the rows that the dump says, whichever container they are in', async () => {
    const dump = (await readFile(join(FOLDER, 'expected.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Dumped);
    const of = (type: string) => dump.filter(({ value }) => value.archetype.$class === `main.${type}`);
    const fieldsOf = (type: string) => of(type).map(({ value }) => value.archetype);
    const idOf = (end: { id: { $uuid: string } } | undefined) =>
      dump.find(({ key }) => key === end?.id.$uuid)?.value.archetype.id ?? end?.id.$uuid;

    const first = await run('main_gdbm.session');
    expect(first).toMatchObject({ state: 'succeeded', rows: { rejected: 0 }, warnings: [] });
    const texts = ['id', 'title', 'description', 'category', 'urgency', 'status', 'submitted_at'];
    const wanted = fieldsOf('Report').map((fields) => ({
      ...Object.fromEntries(texts.map((name) => [name, String(fields[name]).replaceAll('\0', '\ufffd')])),
      confidence: fields.confidence,
      entities: fields.entities === '' ? null : json(fields.entities),
      embedding: fields.embedding === '[]' ? null : json(fields.embedding),
      reporter_id: fields.reporter_id === 'anonymous' ? null : fields.reporter_id,
    }));
    expect(
      await rows(`select id, title, description, category, urgency, status, submitted_at::text, confidence, entities,
        embedding, reporter_id from reports order by id`),
    ).toEqual(wanted.sort((one, other) => (idIn(one) < idIn(other) ? -1 : 1)));
    expect(first.coercions).toMatchObject([{ column: 'title', loss: 'replace_nul', rows: 1 }]);
    const names = async (table: string) => (await rows(`select name from ${table} order by 1`)).map(({ name }) => name);
    expect(await names('organisations')).toEqual(
      fieldsOf('Organisation')
        .map(({ name }) => name)
        .sort(),
    );
    expect(await rows('select id, email, is_anonymous from reporters')).toEqual(
      fieldsOf('Reporter').map(({ id, email, is_anonymous }) => ({ id, email, is_anonymous })),
    );
    const [handled] = of('HandledBy');
    expect(await rows('select report_id, status from report_routes')).toEqual([
      { report_id: idOf(handled!.value.source), status: handled!.value.archetype.status },
    ]);
    const [related] = of('RelatedTo');
    const links = await rows(
      `select report_id, related_report_id, similarity_score from related_reports where found_by = 'session'`,
    );
    expect(links.map((link) => [link.report_id, link.related_report_id].sort())).toEqual([
      [idOf(related!.value.source), idOf(related!.value.target)].sort(),
    ]);

    for (const file of ['main_sqlite.session', 'main_dumb.session.dat']) {
      const again = await run(file);
      expect(again).toMatchObject({ state: 'succeeded', rows: { written: 0, rejected: 0, read: first.rows.read } });
    }
  });
});
