import { existsSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Anchor, type Fields, pickled } from './anchors.ts';
import { CONTAINERS, type ContainerName } from './containers.ts';
import { Dice } from './dice.ts';
import { datetime } from './pickle.ts';

/**
 * Makes JAC sessions of civic reports, always the same for the same seed, with the oddities of the real ones: JSON in
 * strings, empty and zero embeddings, statuses and categories outside of the lists, reports that are about the same.
 */
const { values: given } = parseArgs({
  options: {
    reports: { type: 'string', default: '600' },
    files: { type: 'string', default: '2' },
    seed: { type: 'string', default: '1' },
    container: { type: 'string', default: 'sqlite' },
    out: { type: 'string', default: 'data/civic' },
    'if-missing': { type: 'boolean', default: false },
  },
});

const DIMENSIONS = 384;
/** Reports under one root node, which lists all of its edges. */
const REPORTS_PER_USER = 2000;

const PLACES = [
  '5th Avenue',
  'Moi Avenue',
  'Kenyatta Market',
  'River Road',
  'Höfn Street',
  'Rue de la Paix',
  '本町通り',
];
const PROBLEMS = [
  ['Dangerous pothole', 'roads'],
  ['Water main break 💧', 'water'],
  ['Street light out', 'electricity'],
  ['Uncollected rubbish', 'waste'],
  ['Blocked drain', 'sanitation'],
  ['Broken traffic light', 'safety'],
] as const;
const ORGANISATIONS = [
  ['Ministry of Roads – Wïzára', 'government', '[]'],
  ['Nairobi City Water', 'utility', '["Pump 1", "Pump 2"]'],
  ['Kenya Power', 'utility', '[{"name": "Substation A", "kind": "substation"}]'],
  ['Waste Office', 'government', ''],
] as const;
const URGENCIES = ['low', 'medium', 'high', 'critical'];
const STATUSES = ['submitted', 'unique', 'unique', 'duplicate', 'classified', 'pending'];

class User {
  readonly anchors: Anchor[] = [];
  readonly #dice: Dice;
  readonly #root: Anchor;

  constructor(dice: Dice) {
    this.#dice = dice;
    this.#root = this.#node('Root', {});
  }

  #node(type: string, fields: Fields): Anchor {
    const anchor: Anchor = { id: this.#dice.uuid(), kind: 'NodeAnchor', type, fields, edges: [] };
    this.anchors.push(anchor);
    if (type !== 'Root') this.#edge('GenericEdge', this.#root, anchor, {});
    return anchor;
  }

  #edge(type: string, source: Anchor, target: Anchor, fields: Fields): void {
    const id = this.#dice.uuid();
    this.anchors.push({ id, kind: 'EdgeAnchor', type, fields, ends: [source.id, target.id] });
    source.edges!.push(id);
    target.edges!.push(id);
  }

  fill(reports: number): void {
    const dice = this.#dice;
    const organisations = ORGANISATIONS.map(([name, type, facilities]) =>
      this.#node('Organisation', { name, type, contact_email: 'desk@city.example', contact_api: '', facilities }),
    );
    const reporters = Array.from({ length: Math.ceil(reports / 8) }, (_, number) => {
      const anonymous = dice.chance(0.3);
      const name = anonymous ? '' : `Citizen ${number}`;
      return this.#node('Reporter', {
        id: dice.uuid(),
        name,
        email: `citizen${number}@mail.example`,
        is_anonymous: anonymous,
      });
    });
    const embedded: { anchor: Anchor; embedding: number[] }[] = [];
    for (let number = 0; number < reports; number++) {
      const original = embedded.length > 0 && dice.chance(0.08) ? dice.pick(embedded) : undefined;
      const embedding = original ? dice.near(original.embedding) : dice.direction(DIMENSIONS);
      const report = this.#report(number, embedding, dice.pick(reporters));
      if (report.fields.embedding !== '[]') embedded.push({ anchor: report, embedding });
      if (dice.chance(0.5)) {
        this.#edge('HandledBy', report, dice.pick(organisations), { assigned_at: dice.moment(), status: 'sent' });
      }
      if (original && dice.chance(0.3)) {
        this.#edge('RelatedTo', report, original.anchor, { similarity_score: 0.93, relationship_type: 'duplicate' });
      }
    }
  }

  #report(number: number, embedding: readonly number[], reporter: Anchor): Anchor {
    const dice = this.#dice;
    const [problem, category] = dice.pick(PROBLEMS);
    const place = dice.pick(PLACES);
    const missing = dice.chance(0.06);
    const zero = !missing && dice.chance(0.01);
    const report = this.#node('Report', {
      id: dice.uuid(),
      title: `${problem} on ${place}`,
      description: `${problem} near number ${number}.${' It has been there for weeks.'.repeat(dice.below(6))}`,
      category: dice.chance(0.2) ? 'pending' : category,
      urgency: dice.pick(URGENCIES),
      entities: dice.chance(0.1) ? '' : JSON.stringify({ LOC: [place], NUM: [number] }),
      confidence: dice.chance(0.05) ? 0.5 : dice.fraction(),
      status: dice.pick(STATUSES),
      submitted_at: dice.moment(),
      reporter_id: dice.chance(0.2) ? 'anonymous' : reporter.fields.id!,
      embedding: missing ? '[]' : `[${embedding.map((one) => (zero ? 0 : one)).join(', ')}]`,
      image_data: '',
      analysis_result: '',
    });
    if (report.fields.reporter_id !== 'anonymous')
      this.#edge('ReportsOf', reporter, report, { submitted_at: dice.moment() });
    return report;
  }
}

function* users(seed: number, reports: number): Generator<Anchor[]> {
  for (let made = 0; made < reports; made += REPORTS_PER_USER) {
    const user = new User(new Dice(seed * 1000 + made));
    user.fill(Math.min(REPORTS_PER_USER, reports - made));
    yield user.anchors;
  }
}

function* entries(seed: number, reports: number): Generator<[string, Buffer]> {
  for (const anchors of users(seed, reports)) {
    for (const anchor of anchors) yield [anchor.id, pickled(withDatetime(anchor), anchors[0]!.id)];
  }
}

/** Some programs keep the time itself, and some its text: of our reports every other one. */
function withDatetime(anchor: Anchor): Anchor {
  const { submitted_at: moment } = anchor.fields;
  if (anchor.type !== 'Report' || typeof moment !== 'string' || Number(moment.at(-1)) % 2 === 0) return anchor;
  return { ...anchor, fields: { ...anchor.fields, submitted_at: datetime(moment) } };
}

/** What a program writes out itself: nodes without what holds them together. */
function writeJson(path: string, seed: number, reports: number): void {
  const nodes = [...users(seed, reports)].flat().filter(({ kind }) => kind === 'NodeAnchor');
  const listed = (wanted: string) =>
    nodes.filter(({ type }) => type === wanted).map(({ id, fields }) => ({ id, ...fields }));
  const document = { organisations: listed('Organisation'), reporters: listed('Reporter'), reports: listed('Report') };
  writeFileSync(path, JSON.stringify(document, null, 1));
}

const [total, files, seed] = [Number(given.reports), Number(given.files), Number(given.seed)];
const container = given.container as ContainerName | 'json';
const pathOf = (file: number) =>
  join(given.out, container === 'json' ? `reports-${file}.json` : `main-${file}.session`);
const isThere = existsSync(pathOf(1)) || existsSync(`${pathOf(1)}.dat`);
if (!given['if-missing'] || !isThere) {
  await mkdir(given.out, { recursive: true });
  for (let file = 1; file <= files; file++) {
    const reports = Math.floor((total * file) / files) - Math.floor((total * (file - 1)) / files);
    if (container === 'json') writeJson(pathOf(file), seed + file, reports);
    else CONTAINERS[container](pathOf(file), entries(seed + file, reports));
  }
  console.error(`Sample data: ${total} reports in ${files} ${container} sessions in ${given.out}`);
}
