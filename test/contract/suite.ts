import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { DrayageError, explain } from '../../src/base/errors.ts';
import { sweepAll } from '../../src/base/memory.ts';
import type { PartitionPlan, Source, SourceContext } from '../../src/model/source.ts';
import { type Sample, samples } from '../helpers/formats.ts';
import { openContext } from '../helpers/read-source.ts';
import { passing, readPartition } from './reading.ts';

/** Items that an adapter puts into each partition, about. */
export const PER_PARTITION = 10;

/** Of the suite's cases, those that some source cannot have. */
export type Case = 'fingerprint' | 'changed' | 'huge';

/** An input that is larger than what is held at once. */
export interface Large {
  source: Source;
  items: number;
  /** That it is cut into at the least. */
  partitions: number;
  /** Of records that stream: what a partition takes, of which the first record needs less than half. */
  bytes?: number;
}

/** How the inputs of one kind of source are made. A place is a folder, a file or a table of that name. */
export interface Adapter {
  /** What is read, and from where. */
  title: string;
  /** @param root folder that relative paths start at @returns URLs of databases, by the variable that holds them */
  start?(root: string): Promise<Record<string, string> | undefined>;
  stop?(): Promise<void>;
  source(place: string): Source;
  /** Puts these items there, in partitions of about ten in their order; where there are none, what an owner would leave. */
  lay(place: string, items: readonly Sample[]): Promise<void>;
  /** Exchanges the item of this id for another. */
  change(place: string, item: Sample): Promise<void>;
  remove(place: string): Promise<void>;
  /** Runs `read` with something that may not read the place. */
  forbidden<Result>(
    place: string,
    context: SourceContext,
    read: (context: SourceContext) => Promise<Result>,
  ): Promise<Result>;
  /** Puts a large input there. */
  large?(place: string): Promise<Large>;
  /** The items that a row or a record holds; by default it is one itself. */
  itemsIn?(value: unknown): Sample[];
  /** Why a case cannot be. */
  cannot?: Partial<Record<Case, string>>;
  /** Every plan has other fingerprints. */
  unversioned?: true;
  /** Partitions that may hold a changed item, before or after. Default 1. */
  touched?: number;
  /** Connections and the like that are still there. */
  left?(): Promise<number>;
}

const itself = (value: unknown): Sample[] => {
  const { id, name } = value as { id: unknown; name: string };
  return [{ id: Number(id), name }];
};

/** What users rely on, whatever the source. Every test also proves that no file, handle or connection stays behind. */
export function keepsContract(adapter: Adapter): void {
  const { itemsIn = itself, cannot = {}, touched = 1 } = adapter;
  let root: string;
  let opened: Awaited<ReturnType<typeof openContext>>;
  let context: SourceContext;

  const plansOf = (place: string, within = context) => Array.fromAsync(adapter.source(place).enumerate(within));
  /** As another process would: from the plan alone, which was kept as JSON. */
  const readOne = (place: string, plan: PartitionPlan, within = context) =>
    readPartition(adapter.source(place), passing(plan), within, itemsIn);
  const byId = (items: readonly Sample[]) => items.toSorted((a, b) => a.id - b.id);
  async function readAll(place: string, within = context): Promise<Sample[]> {
    const found: Sample[] = [];
    for (const plan of await plansOf(place, within)) {
      for (const { items } of await readOne(place, plan, within)) found.push(...items);
    }
    return byId(found);
  }
  const thatCan = (kind: Case, title: string, body: () => Promise<void>) =>
    cannot[kind] === undefined ? test(title, body) : test.skip(`${title}: cannot be, ${cannot[kind]}`, body);

  describe(adapter.title, () => {
    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), 'drayage-contract-'));
      await chmod(root, 0o755);
      opened = await openContext(root, 1e9, (await adapter.start?.(root)) ?? {});
      context = opened.context;
    });
    afterEach(async () => {
      expect(await opened.spooled()).toEqual([]);
      await expect.poll(() => openFiles(root)).toEqual([]);
      if (adapter.left) await expect.poll(adapter.left).toBe(0);
    });
    afterAll(async () => {
      await opened.close();
      await adapter.stop?.();
      await rm(root, { recursive: true });
    });

    test('enumerating again gives the same partitions in the same order', async () => {
      await adapter.lay('again', samples(45));
      const first = (await plansOf('again')).map(known);
      expect(first.length).toBeGreaterThanOrEqual(4);
      expect(new Set(first.map(({ key }) => key)).size).toBe(first.length);
      expect(new Set(first.map(({ fingerprint }) => fingerprint)).size).toBe(first.length);
      expect((await plansOf('again')).map(known)).toEqual(first);
    });

    test('an enumeration that is cut short and begun again gives every partition once', async () => {
      await adapter.lay('cut', samples(45));
      const begun: PartitionPlan[] = [];
      for await (const plan of adapter.source('cut').enumerate(context)) {
        if (begun.push(plan) === 2) break;
      }
      const all = (await plansOf('cut')).map(known);
      expect(all.slice(0, 2)).toEqual(begun.map(known));
      expect(new Set(all.map(({ key }) => key)).size).toBe(all.length);
      expect(all.length).toBeGreaterThanOrEqual(4);
    });

    test('reading gives every item once, and again the same', async () => {
      await adapter.lay('read', samples(45));
      expect(await readAll('read')).toEqual(samples(45));
      const [, plan] = await plansOf('read');
      const once = await readOne('read', plan!);
      expect(new Set(once.map(({ row }) => row)).size).toBe(once.length);
      expect(await readOne('read', plan!)).toEqual(once);
    });

    thatCan('fingerprint', 'a changed item changes the fingerprint of its own partition alone', async () => {
      await adapter.lay('print', samples(45));
      const before = await plansOf('print');
      expect(prints(await plansOf('print'))).toEqual(prints(before));
      await adapter.change('print', { id: 23, name: 'exchanged for another' });
      const after = await plansOf('print');
      expect(after.map(({ key }) => key)).toEqual(before.map(({ key }) => key));
      const changed = prints(after).filter((print, index) => print !== before[index]!.fingerprint).length;
      expect(changed).toBeGreaterThan(0);
      expect(changed).toBeLessThanOrEqual(touched);
    });

    thatCan('changed', 'what changes between plan and reading fails its partition, and no other', async () => {
      await adapter.lay('changed', samples(45));
      const before = await plansOf('changed');
      await adapter.change('changed', { id: 23, name: 'exchanged for another' });
      const now = new Set(prints(await plansOf('changed')));
      const same = before.filter(({ fingerprint }) => now.has(fingerprint));
      expect((await readOne('changed', same.at(-1)!)).length).toBeGreaterThan(0);
      for (const plan of before.filter((one) => !same.includes(one))) {
        const failed = { code: 'SOURCE_CHANGED', hint: expect.stringMatching(/./) };
        await expect(readOne('changed', plan)).rejects.toMatchObject(failed);
      }
    });

    test('an empty input has no items, and is no error', async () => {
      await adapter.lay('empty', []);
      expect(await readAll('empty')).toEqual([]);
    });

    test('an input that is not there is named, with what to do; so is one that is gone since the plan', async () => {
      const error = await plansOf('nowhere').catch((thrown) => thrown);
      const code = expect.stringMatching(/^(SOURCE|LAKE)_MISSING$/);
      expect(error).toMatchObject({ code, hint: expect.stringMatching(/./) });
      expect(explain(error)).toContain('nowhere');
      await adapter.lay('gone', samples(25));
      const [, plan] = await plansOf('gone');
      await adapter.remove('gone');
      await expect(readOne('gone', plan!)).rejects.toMatchObject({
        code: expect.stringMatching(/^SOURCE_(MISSING|CHANGED)$/),
        hint: expect.stringMatching(/./),
      });
    });

    test('an input that may not be read is told as that, with what to do', async () => {
      await adapter.lay('forbidden', samples(25));
      const plans = await plansOf('forbidden');
      const denied = {
        code: expect.stringMatching(/^(STORE_DENIED|SOURCE_UNREADABLE)$/),
        hint: expect.stringMatching(/permission|right|grant|credentials/i),
      };
      const refused = (read: (within: SourceContext) => Promise<unknown>) =>
        expect(adapter.forbidden('forbidden', context, read)).rejects.toMatchObject(denied);
      await refused((within) => readAll('forbidden', within));
      await refused((within) => readOne('forbidden', plans[1]!, within));
    });

    thatCan('huge', 'a large input is taken in pieces', async () => {
      const { source, items, partitions, bytes } = await adapter.large!('large');
      const plans = await Array.fromAsync(source.enumerate(context));
      expect(plans.length).toBeGreaterThanOrEqual(partitions);
      const found: number[] = [];
      for (const plan of plans) {
        const first = (read: number) => bytes !== undefined && expect(read).toBeLessThan(bytes / 2);
        const there = await readPartition(source, passing(plan), context, itemsIn, { first });
        for (const { items: some } of there) found.push(...some.map(({ id }) => id));
      }
      expect(found.sort((a, b) => a - b)).toEqual(samples(items).map(({ id }) => id));
    });

    test('a reading and an enumeration that are cancelled half-way end', async () => {
      await adapter.lay('cancelled', samples(45));
      const [plan] = await plansOf('cancelled');
      const { length: records } = await readOne('cancelled', plan!);
      for (const moment of ['opened', 'first'] as const) {
        // One record is not to be cut.
        if (moment === 'first' && records === 1) continue;
        const { within, cancel } = cancellable();
        const reading = readPartition(adapter.source('cancelled'), passing(plan!), within, itemsIn, {
          [moment]: cancel,
        });
        await expect(reading).rejects.toMatchObject(CANCELLED);
      }
      const early = cancellable();
      early.cancel();
      await expect(plansOf('cancelled', early.within)).rejects.toMatchObject(CANCELLED);

      const { within, cancel } = cancellable();
      const seen: PartitionPlan[] = [];
      const enumerating = async () => {
        for await (const one of adapter.source('cancelled').enumerate(within)) {
          seen.push(one);
          cancel();
        }
      };
      await expect(enumerating()).rejects.toMatchObject(CANCELLED);
      expect(seen).toHaveLength(1);
    });
  });

  function cancellable() {
    const controller = new AbortController();
    const cancel = () => controller.abort(new DrayageError('INTERRUPTED', 'Stopped by a test'));
    return { within: { ...context, signal: controller.signal }, cancel };
  }

  /** A plan, apart from what is another one each time where content has no versions. */
  function known(plan: PartitionPlan): PartitionPlan {
    expect(plan.problem).toBeUndefined();
    expect(plan.unversioned).toBe(adapter.unversioned);
    return adapter.unversioned ? { ...plan, fingerprint: plan.key } : plan;
  }
}

const CANCELLED = { code: 'INTERRUPTED' };

const prints = (plans: readonly PartitionPlan[]) => plans.map(({ fingerprint }) => fingerprint);

/** Files below the folder that this process has open; where the system does not tell, none. */
function openFiles(root: string): string[] {
  if (!existsSync('/proc/self/fd')) return [];
  // What DuckDB had open is closed when V8 collects what stood for it.
  sweepAll(0);
  const targets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return targets.filter((target) => target.startsWith(root));
}
