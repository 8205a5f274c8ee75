import { join } from 'node:path';
import type { Config } from '../base/config.ts';
import { DrayageError } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import { Duck } from '../duckdb/instance.ts';
import { LakeCatalog, type LakeState } from '../lake/catalog.ts';
import { compactHeap, heapsOf } from '../lake/compact.ts';
import { cutoffOf, expiredFiles } from '../lake/expire.ts';
import { deleteAfterGrace, deleteRemoved, type Maintenance, publishChange } from '../lake/maintenance.ts';
import { overviewOf } from '../lake/overview.ts';
import { verifyLake } from '../lake/verify.ts';
import type { LakeFile } from '../model/manifest.ts';
import { placeOf } from '../store/places.ts';
import { Spool } from '../store/spool.ts';
import { bytes, count, plural, table } from './format.ts';
import type { Output } from './output.ts';

export interface LakeRequest {
  root: string;
  dataset: string | undefined;
  /** As given. */
  olderThan: string;
  targetBytes: number;
  yes: boolean;
  graceSeconds: number;
}

const MB = 1_000_000;
const THREADS = 2;
/** Faults and orphans that are listed for people. */
const SHOWN = 20;

/** What `dray lake` does. Each method gives whether all is well. */
export class LakeActions {
  readonly #request: LakeRequest;
  readonly #config: Config;
  readonly #out: Output;
  readonly #maintenance: Maintenance;

  constructor(request: LakeRequest, config: Config, out: Output, signal: AbortSignal) {
    this.#request = request;
    this.#config = config;
    this.#out = out;
    const { root, graceSeconds } = request;
    const catalog = new LakeCatalog(root, config.root);
    this.#maintenance = { catalog, place: placeOf(root, config.root, {}), graceSeconds, signal };
  }

  async ls(): Promise<boolean> {
    const state = await this.#state();
    const all = overviewOf(state);
    const { dataset } = this.#request;
    const datasets = dataset === undefined ? all : all.filter((one) => one.dataset === dataset);
    this.#out.answer({ lake: this.#request.root, version: state.version, datasets }, () =>
      table(datasets, [
        { title: 'dataset', cell: (one) => one.dataset },
        { title: 'files', cell: (one) => count(one.files), right: true },
        { title: 'rows', cell: (one) => count(one.rows), right: true },
        { title: 'bytes', cell: (one) => bytes(one.bytes), right: true },
        { title: 'smallest', cell: (one) => bytes(one.smallest_bytes), right: true },
        { title: 'to compact', cell: (one) => count(one.small_files), right: true },
        { title: 'last published', cell: (one) => one.last_published },
      ]),
    );
    return true;
  }

  async verify(): Promise<boolean> {
    const { catalog, signal } = this.#maintenance;
    let toldMs = performance.now();
    const verdict = await verifyLake(catalog, signal, (done, files) => {
      if (performance.now() - toldMs < 5_000) return;
      toldMs = performance.now();
      this.#out.note(`${count(done)} of ${plural(files, 'file')} read.`);
    });
    const { ok, files, rows, faults, orphans } = verdict;
    this.#out.answer({ lake: this.#request.root, ...verdict }, () => {
      const lines = faults.slice(0, SHOWN).map(({ path, problem }) => `${path}: ${problem}.`);
      if (faults.length > SHOWN) lines.push(`… and ${count(faults.length - SHOWN)} more; --json names all.`);
      for (const { path, bytes: size, removed } of orphans.slice(0, SHOWN)) {
        lines.push(`${path}: ${removed ? 'removed, and not deleted yet' : 'in no manifest'} (${bytes(size)}).`);
      }
      if (orphans.length > SHOWN) lines.push(`… and ${plural(orphans.length - SHOWN, 'orphan')} more.`);
      const all = `${plural(files, 'file')} with ${plural(rows, 'row')}, ${bytes(verdict.bytes)}`;
      lines.push(ok ? `${all}: every one is what was published.` : `${all}: ${count(faults.length)} at fault.`);
      return lines.join('\n');
    });
    return ok;
  }

  async expire(): Promise<boolean> {
    const cutoff = cutoffOf(this.#request.olderThan, new Date());
    const { expired, undated } = expiredFiles(await this.#state(), cutoff, this.#request.dataset);
    const removes = expired.map(({ path }) => path);
    if (this.#request.yes && removes.length > 0) {
      await publishChange(this.#maintenance, { action: 'expire', files: [], removes });
    }
    this.#out.answer({ ...this.#told(expired), first_day_kept: cutoff, undated_files: undated, paths: removes }, () => {
      const lines = [`Days before ${cutoff}: ${this.#summary(expired, 'remove')}`];
      if (undated > 0) lines.push(`${plural(undated, 'file')} in folders without a date are kept.`);
      return lines.join('\n');
    });
    return this.#finish(removes.length);
  }

  async compact(): Promise<boolean> {
    const heaps = heapsOf(await this.#state(), this.#request.targetBytes, this.#request.dataset);
    const old = heaps.flat();
    const made = this.#request.yes && heaps.length > 0 ? await this.#compactAll(heaps) : [];
    const { length: files } = heaps;
    this.#out.answer({ ...this.#told(old), files_made: files, paths: old.map(({ path }) => path) }, () =>
      made.length > 0
        ? `${plural(old.length, 'file')} became ${count(files)}, ${bytes(sizeOf(old))} became ${bytes(sizeOf(made))}.`
        : `${this.#summary(old, `make ${plural(files, 'file')} of`)}`,
    );
    return this.#finish(old.length);
  }

  async #compactAll(heaps: ReturnType<typeof heapsOf>): Promise<LakeFile[]> {
    const { home, duckdbMemoryMb, spoolMb } = this.#config;
    const spool = await Spool.open(join(home, 'lake-cache', 'open'), spoolMb * MB);
    const spillDirectory = join(spool.folder, 'spill');
    const duck = new Duck({ memoryMb: Math.max(duckdbMemoryMb, 256), threads: THREADS, spillDirectory });
    const made: LakeFile[] = [];
    try {
      for (const heap of heaps) made.push(await compactHeap(this.#maintenance, heap, { duck, spool }));
      const removes = heaps.flat().map(({ path }) => path);
      await publishChange(this.#maintenance, { action: 'compact', files: made, removes });
      return made;
    } catch (error) {
      const unused = made.map(({ path }) => path);
      await this.#maintenance.place.remove(unused, AbortSignal.timeout(10_000)).catch(() => undefined);
      throw error;
    } finally {
      await duck.close();
      await spool.close();
    }
  }

  /** @throws LAKE_MISSING, QUERY_INVALID for a dataset that is unknown */
  async #state(): Promise<LakeState> {
    const { catalog, signal } = this.#maintenance;
    const state = await catalog.read(signal);
    const { dataset } = this.#request;
    const known = [...state.datasets.keys()];
    if (dataset === undefined || known.includes(dataset)) return state;
    throw new DrayageError('USAGE', `There is no dataset "${dataset}".${didYouMean(dataset, known)}`, {
      hint: `The lake has ${known.length === 0 ? 'none' : known.join(', ')}.`,
    });
  }

  #told(files: readonly LakeFile[]) {
    const { root, yes } = this.#request;
    const rows = files.reduce((sum, file) => sum + file.rows, 0);
    return { lake: root, done: yes, files: files.length, rows, bytes: sizeOf(files) };
  }

  #summary(files: readonly LakeFile[], would: string): string {
    const { rows } = this.#told(files);
    if (files.length === 0) return 'nothing to do.';
    const all = `${plural(files.length, 'file')} with ${plural(rows, 'row')}, ${bytes(sizeOf(files))}`;
    return this.#request.yes ? `${all} removed.` : `would ${would} ${all}. Nothing was done; --yes does it.`;
  }

  /** Deletes what nobody reads any more. */
  async #finish(removed: number): Promise<boolean> {
    const { yes, graceSeconds } = this.#request;
    if (!yes) return true;
    if (removed === 0) await deleteRemoved(this.#maintenance);
    else {
      if (graceSeconds > 0) {
        this.#out.note(`Removed files are deleted in ${graceSeconds} s, so that queries under way can end.`);
      }
      if (!(await deleteAfterGrace(this.#maintenance))) {
        this.#out.note(
          'Interrupted: the removed files do not count any more; the next expire or compact deletes them.',
        );
      }
    }
    return true;
  }
}

const sizeOf = (files: readonly LakeFile[]) => files.reduce((sum, file) => sum + file.bytes, 0);
