import type { FastifyRequest } from 'fastify';
import { eventsOf } from '../../control/events.ts';
import { listPartitions } from '../../control/partition-list.ts';
import { warnedPartitions } from '../../control/partitions.ts';
import { listRejectPage } from '../../control/rejects.ts';
import { samplesOf } from '../../control/samples.ts';
import { latestVerificationReport } from '../../control/verifications.ts';
import { presentWorkers } from '../../control/views.ts';
import { ENDED } from '../../model/state.ts';
import { html } from '../html.ts';
import { gridOf, lossesOf, rejectGroupsOf, requireRun, slowestOf } from '../run-data.ts';
import type { Web } from '../web.ts';
import type { Page } from './layout.ts';
import { chartSection, gridSection } from './run-charts.ts';
import { headSection } from './run-head.ts';
import {
  failedSection,
  lossSection,
  rejectSection,
  runningSection,
  slowestSection,
  warningSection,
} from './run-lists.ts';
import { aboutSection, eventSection, verificationSection } from './run-notes.ts';
import { percentOf } from './runs.ts';

/** Partitions, rejects and events that the page of a run shows; each has a page of its own for the rest. */
const SHOWN = { failed: 10, running: 20, slowest: 8, samples: 5, warned: 10, events: 20 };

export async function runPage(web: Web, { params, visitor }: FastifyRequest): Promise<Page> {
  const { db } = web.services;
  const run = await requireRun(web, (params as { run: number }).run);
  const id = run.run;
  const groups = await rejectGroupsOf(web, run);
  const none = Promise.resolve([]);
  const [workers, samples, grid, running, failed, slowest, losses, rejects, warned, verification, events] =
    await Promise.all([
      presentWorkers(db),
      samplesOf(db, id),
      gridOf(web, run),
      run.partitions_running > 0 ? listPartitions(db, id, { states: ['running'] }, SHOWN.running) : none,
      run.partitions_failed > 0 ? listPartitions(db, id, { states: ['failed'] }, SHOWN.failed) : none,
      slowestOf(web, run, SHOWN.slowest),
      lossesOf(web, run),
      Promise.all(
        groups
          .slice(0, 10)
          .map((group) =>
            listRejectPage(
              db,
              id,
              { reason: group.reason, table: group.table_name ?? '', column: group.column_name ?? '' },
              SHOWN.samples,
            ),
          ),
      ),
      warnedPartitions(db, id, SHOWN.warned),
      latestVerificationReport(db, id),
      eventsOf(db, id, SHOWN.events),
    ]);
  return {
    title: `${ENDED.includes(run.state) ? '' : `${percentOf(run)} % · `}Run ${id} of ${run.job}`,
    section: 'runs',
    live: String(id),
    charts: true,
    body: html`${headSection(run, { workers, verifying: web.verifications.isRunning(id) }, visitor)}
${chartSection(run, samples)}
${gridSection(run, grid)}
${runningSection(run, running)}
${failedSection(run, failed)}
${rejectSection(run, groups, rejects)}
${lossSection(losses)}
${warningSection(warned)}
${verificationSection(run, verification)}
${slowestSection(run, slowest)}
${aboutSection(run)}
${eventSection(events)}`,
  };
}
