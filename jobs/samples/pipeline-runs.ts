import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

/**
 * Makes directories of pipeline runs of any number, always the same for the same seed: the plain layout and the newer
 * one in turns, with the gaps that real runs have.
 */
const { values: given } = parseArgs({
  options: {
    runs: { type: 'string', default: '500' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string', default: 'data/runs' },
    'if-missing': { type: 'boolean', default: false },
  },
});
if (given['if-missing'] && existsSync(given.out)) process.exit(0);

const BRANDS = ['acme-foods', 'north_star', 'Kōdō', 'la-maison'];
const INPUTS = ['savannah-trail', 'city-market', 'quiet-hotel', 'night-train'];
const WORDS = ['shelf', 'guests', 'habit', 'price', 'ritual', 'queue', 'café', '棚', 'season', 'trust'];

/** A pick that depends on the run, the seed and what it is for. */
function dice(run: number, purpose: string, sides: number): number {
  let hash = 2166136261;
  for (const character of `${given.seed} ${run} ${purpose}`) {
    hash = Math.imul(hash ^ character.charCodeAt(0), 16777619);
  }
  return ((hash ^ (hash >>> 13)) >>> 0) % sides;
}
const pick = (run: number, purpose: string, of: readonly string[]) => of[dice(run, purpose, of.length)]!;
const phrase = (run: number, purpose: string) =>
  Array.from({ length: 6 + dice(run, `${purpose} length`, 30) }, (_, place) => pick(run, purpose + place, WORDS)).join(
    ' ',
  );

function plainLayout(run: number, brand: string): Record<string, string> {
  const inspiration = (n: number) => ({
    title: `Inspiration ${n}: ${pick(run, `title${n}`, WORDS)}`,
    content: phrase(run, `content${n}`),
    elements: [pick(run, `a${n}`, WORDS), { score: dice(run, `score${n}`, 1000) / 10 }],
  });
  const files: Record<string, string> = {
    'stage1/inspirations.json': json({
      inspirations: dice(run, 'few', 40) === 0 ? [inspiration(1)] : [inspiration(1), inspiration(2)],
    }),
    'stage2/trends.json': `{"trends": [${JSON.stringify(phrase(run, 'trend'))}], "id": 90071992547409${dice(run, 'id', 90) + 10}7}\n`,
    'stage3/lessons.json': json({ lessons: [phrase(run, 'lesson')] }),
    'stage4/context.json': json({
      brand_id: dice(run, 'no brand', 30) === 0 ? undefined : brand,
      market: phrase(run, 'market'),
    }),
  };
  if (dice(run, 'gap', 25) === 0) delete files['stage3/lessons.json'];
  if (dice(run, 'form', 3) === 0) {
    const opportunities = [1, 2, 3, 4, 5].map((number) => ({
      number,
      title: `Card ${number}`,
      tagline: phrase(run, `tagline${number}`),
      why_now: 'now',
    }));
    files['stage5/opportunities.json'] = json({ opportunities });
  } else if (dice(run, 'no cards', 50) !== 0) {
    for (let n = 1; n <= 5; n++) files[`stage5/opportunity-${n}.md`] = plainCard(run, n);
  }
  return files;
}

function plainCard(run: number, n: number): string {
  const section = (heading: string) => `## ${heading}\n\n${phrase(run, heading + n)}\n`;
  const headings = ['Tagline', 'The Problem', 'Our Solution', 'Why Now?', 'Target Segment', 'Quick Win'];
  return `# Card ${n}: ${pick(run, `card${n}`, WORDS)}\n\n${headings.map(section).join('\n')}\n\`\`\`md\n## Tagline\nnot a heading\n\`\`\`\n`;
}

function newerLayout(run: number, brand: string): Record<string, string> {
  const track = (n: number) => ({ title: `Track ${n}`, summary: phrase(run, `track${n}`), key_elements: [n] });
  const files: Record<string, string> = {
    '.gitkeep': '',
    'logs/pipeline.log': 'started\n',
    'stage1/inspirations.json': json({
      selected_track: 1 + dice(run, 'track', 2),
      track_1: track(1),
      track_2: track(2),
      completed_at: '2025-03-01T10:00:00Z',
    }),
    'stage1/inspiration-analysis.md': `# Analysis\n\n${phrase(run, 'analysis')}\n`,
    'stage2/trends.md': `# Trends\n\n${phrase(run, 'trends')}\n`,
    'stage3/lessons.md': `# Lessons\n\n${phrase(run, 'lessons')}\n`,
    'stage4/context.md': `---\nbrand_id: ${brand}\n---\n# Context\n\n${phrase(run, 'context')}\n`,
    'stage5/opportunities-summary.md': `# Summary\n\n${phrase(run, 'summary')}\n`,
  };
  for (let n = 1; n <= 5; n++) files[`stage5/opportunity-${n}.md`] = newerCard(run, n);
  return files;
}

function newerCard(run: number, n: number): string {
  const section = (heading: string) =>
    `## ${heading}\n\n${phrase(run, heading + n)}\n\n- ${pick(run, `bullet${n}`, WORDS)}\n`;
  const headings = ['Description', 'Actionability', 'Visual', 'Follow-up Prompts'];
  const tags = `[${pick(run, `tag${n}`, WORDS)}, "${n}"]`;
  return `---\nopportunity_id: opp-${n}\ntags: ${tags}\nserial: 12345678901234567890\n---\n# Opportunity ${n}: ${pick(run, `opp${n}`, WORDS)}\n\n${headings.map(section).join('\n')}`;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

const total = Number(given.runs);
for (let run = 0; run < total; run++) {
  const brand = pick(run, 'brand', BRANDS);
  const started = new Date(Date.UTC(2025, 0, 1) + run * 97_000);
  const stamp = started
    .toISOString()
    .replace(/[-:]|\..*/g, '')
    .replace('T', '-');
  const name = `${pick(run, 'input', INPUTS)}-${brand}-${stamp}`;
  const files = run % 2 === 0 ? plainLayout(run, brand) : newerLayout(run, brand);
  for (const [path, content] of Object.entries(files)) {
    const file = join(given.out, name, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    // The time is part of what identifies a file: the same again is the same.
    utimesSync(file, started, new Date(started.getTime() + 3_600_000));
  }
}
console.error(`Sample data: ${total} runs in ${given.out}`);
