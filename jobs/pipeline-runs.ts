import { defineJob, type Emit, type RunDirectory, type RunFile, runDirectories, table } from 'drayage';

const targets = {
  // Whoever is there already stays as is.
  '"User"': table({
    ddl: 'pipeline_runs_1_user.sql',
    mode: 'upsert',
    key: ['id'],
    onConflict: 'ignore',
    columns: { id: 'text' },
  }),
  '"Run"': table({
    ddl: 'pipeline_runs_2_run.sql',
    mode: 'upsert',
    key: ['id'],
    columns: {
      ...{ id: 'text', userId: 'text', companyId: 'text', companyName: 'text', documentName: 'text' },
      ...{ documentUrl: 'text', status: 'text', currentStage: 'integer' },
      ...{ createdAt: 'timestamptz', updatedAt: 'timestamptz', completedAt: 'timestamptz' },
    },
  }),
  '"InspirationReport"': table({
    ddl: 'pipeline_runs_3_inspiration_report.sql',
    mode: 'upsert',
    key: ['runId'],
    columns: {
      ...{ id: 'text', runId: 'text', selectedTrack: 'text' },
      ...{ inspiration1Title: 'text', inspiration1Content: 'text', inspiration1Elements: 'jsonb' },
      ...{ inspiration2Title: 'text', inspiration2Content: 'text', inspiration2Elements: 'jsonb' },
    },
  }),
  '"StageOutput"': table({
    ddl: 'pipeline_runs_4_stage_output.sql',
    mode: 'upsert',
    key: ['runId', 'stageNumber'],
    columns: { id: 'text', runId: 'text', stageNumber: 'integer', jsonOutput: 'jsonb', markdownOutput: 'text' },
  }),
  '"OpportunityCard"': table({
    ddl: 'pipeline_runs_5_opportunity_card.sql',
    mode: 'upsert',
    key: ['runId', 'number'],
    columns: {
      ...{
        id: 'text',
        runId: 'text',
        number: 'integer',
        title: 'text',
        tagline: 'text',
        problem: 'text',
        solution: 'text',
      },
      ...{ why_now: 'text', target_segment: 'text', quick_win: 'text' },
      ...{ description: 'text', actionability: 'text', visual: 'text', follow_up_prompts: 'text' },
      ...{ front_matter: 'jsonb', markdown: 'text' },
    },
  }),
} as const;

type Emitter = Emit<typeof targets>;
type Fields = Readonly<Record<string, unknown>>;

const STAGES = [1, 2, 3, 4, 5];

export default defineJob({
  name: 'pipeline-runs',
  description: 'Directories of pipeline runs into "User", "Run" and what belongs to a run',
  params: {
    path: { type: 'string', default: 'data/runs', help: 'folder with a folder for each run' },
    'run-id': { type: 'string', default: '', help: 'only this run' },
    'user-id': { type: 'string', default: 'migration-user', help: 'owner of the runs' },
  },
  source: ({ path, 'run-id': only, 'user-id': owner }) =>
    runDirectories({
      path,
      ...(only ? { only } : {}),
      given: { owner },
      read: { 'stage[1-5]/*.json': 'json', 'stage[1-5]/*.md': 'markdown' },
      expect: ['stage1/inspirations.json', ...[2, 3, 4].map((stage) => `stage${stage}/*.{json,md}`)],
    }),
  targets,
  transform(run, emit) {
    for (const warning of run.warnings) emit.warn(warning);
    emit.User({ id: run.given.owner });
    emit.Run(runRow(run));
    emitInspirations(run, emit);
    for (const stage of STAGES) emitStage(run, stage, emit);
    emitCards(run, emit);
  },
});

function runRow(run: RunDirectory) {
  const companyId = companyOf(run);
  const started = startOf(run.name);
  const input = started ? run.name.slice(0, -'-YYYYMMDD-HHMMSS'.length) : run.name;
  const last = run.modified?.last;
  return {
    id: run.name,
    userId: run.given.owner,
    companyId,
    companyName: titleCase(companyId),
    documentName: input.endsWith(`-${companyId}`) ? input.slice(0, -companyId.length - 1) : input,
    status: 'COMPLETED',
    currentStage: 5,
    createdAt: started ?? run.modified?.first,
    updatedAt: last,
    completedAt: last,
  };
}

function companyOf(run: RunDirectory): string {
  const context = run.file('stage4/context.json')?.json as Fields | undefined;
  const notes = run.matching('stage4/*.md').map(({ markdown }) => markdown?.frontMatter.brand_id);
  return [context?.brand_id, ...notes].map(textOf).find((brand) => brand) ?? 'unknown';
}

/** When a run began, as its name says: `…-YYYYMMDD-HHMMSS`, in UTC. */
function startOf(name: string): Date | undefined {
  const [, ...parts] = /-(\d{4})(\d{2})(\d{2})-(\d{2})(\d{2})(\d{2})$/.exec(name) ?? [];
  const [year, month, day, hour, minute, second] = parts;
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function titleCase(id: string): string {
  const words = id.split(/[-_\s]+/).filter(Boolean);
  return words.map((word) => word[0]!.toUpperCase() + word.slice(1).toLowerCase()).join(' ');
}

function emitInspirations(run: RunDirectory, emit: Emitter): void {
  const content = run.file('stage1/inspirations.json')?.json;
  if (content === undefined) return;
  const all = content as Fields;
  const listed = [all.inspirations, content].find(Array.isArray) ?? [all.track_1, all.track_2];
  const [first, second] = (listed as unknown[]).filter((one) => one !== null && one !== undefined).map(inspirationOf);
  if (!first || !second) {
    emit.warn(`stage1/inspirations.json has ${first ? 'one inspiration' : 'no inspirations'} and not two: no report`);
    return;
  }
  emit.InspirationReport({
    id: `${run.name}-inspirations`,
    runId: run.name,
    selectedTrack: textOf(all.selected_track),
    inspiration1Title: first.title,
    inspiration1Content: first.content,
    inspiration1Elements: first.elements,
    inspiration2Title: second.title,
    inspiration2Content: second.content,
    inspiration2Elements: second.elements,
  });
}

function inspirationOf(given: unknown) {
  if (typeof given !== 'object') return { title: undefined, content: String(given), elements: [] };
  const one = given as Fields;
  return {
    title: textOf(one.title ?? one.name),
    content: textOf(one.content ?? one.description ?? one.summary),
    elements: one.elements ?? one.key_elements ?? [],
  };
}

/** The JSON and the Markdown that a stage has left; cards have a table of their own. */
function emitStage(run: RunDirectory, stage: number, emit: Emitter): void {
  const json = run.matching(`stage${stage}/*.json`);
  const markdown = run.matching(`stage${stage}/*.md`).filter((file) => cardNumber(file) === undefined);
  if (json.length + markdown.length === 0) return;
  if (json.length > 1) emit.warn(`stage${stage} has ${json.length} JSON files; ${json[0]!.path} is its output`);
  emit.StageOutput({
    id: `${run.name}-stage-${stage}`,
    runId: run.name,
    stageNumber: stage,
    jsonOutput: json[0]?.json,
    markdownOutput: markdown.length > 0 ? markdown.map(({ text }) => text).join('\n\n') : null,
  });
}

function cardNumber({ path }: RunFile): number | undefined {
  const number = /^stage5\/opportunity-(\d{1,6})\.md$/.exec(path)?.[1];
  return number === undefined ? undefined : Number(number);
}

function emitCards(run: RunDirectory, emit: Emitter): void {
  const written = run.matching('stage5/opportunity-*.md').filter((file) => cardNumber(file) !== undefined);
  const cards = written.length > 0 ? written.map(cardOfMarkdown) : cardsOfJson(run);
  if (cards.length === 0) emit.warn('stage5 has no opportunities');
  for (const card of cards) {
    emit.OpportunityCard({ ...card, id: `${run.name}-opportunity-${card.number}`, runId: run.name });
  }
}

function cardOfMarkdown(file: RunFile) {
  const { title, sections, frontMatter } = file.markdown!;
  const about = (words: string) => {
    const found = sections.filter(({ depth, heading }) => depth === 2 && heading.toLowerCase().includes(words));
    return found.length > 0 ? found.map(({ text }) => text).join('\n\n') : null;
  };
  const field = (words: string, name: string) => about(words) ?? textOf(frontMatter[name]);
  return {
    number: cardNumber(file)!,
    title: title ?? textOf(frontMatter.title) ?? file.path.replace(/^.*\/|\.md$/g, ''),
    tagline: field('tagline', 'tagline'),
    problem: field('problem', 'problem'),
    solution: field('solution', 'solution'),
    why_now: field('why now', 'why_now'),
    target_segment: field('target', 'target_segment'),
    quick_win: field('quick win', 'quick_win'),
    description: about('description'),
    actionability: about('actionability'),
    visual: about('visual'),
    follow_up_prompts: about('follow-up'),
    front_matter: Object.keys(frontMatter).length > 0 ? frontMatter : null,
    markdown: file.text,
  };
}

function cardsOfJson(run: RunDirectory) {
  const content = run.file('stage5/opportunities.json')?.json;
  const list = [content, (content as Fields | undefined)?.opportunities].find(Array.isArray) ?? [];
  return list.map((given: unknown, index) => {
    const card = (given ?? {}) as Fields;
    return {
      number: Number(card.number ?? index + 1),
      title: textOf(card.title) ?? `Opportunity ${index + 1}`,
      tagline: textOf(card.tagline),
      problem: textOf(card.problem),
      solution: textOf(card.solution),
      why_now: textOf(card.why_now ?? card.whyNow),
      target_segment: textOf(card.target_segment ?? card.targetSegment),
      quick_win: textOf(card.quick_win ?? card.quickWin),
      description: textOf(card.description),
    };
  });
}

/** Text as it is; of anything else its JSON, so that nothing is lost. */
function textOf(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
