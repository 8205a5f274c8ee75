import { EXIT } from '../../base/errors.ts';
import { type Verb, wholeNumber, withServices } from '../verb.ts';

export const work: Verb = {
  usage: 'work',
  summary: 'be a worker: claim partitions and load them, until stopped',
  options: [['--concurrency <n>', 'partitions at the same time (default: DRAYAGE_CONCURRENCY or 2)']],
  example: 'dray work --concurrency 4',
  async run(invocation) {
    const { options, signal } = invocation;
    const given = options.concurrency;
    const concurrency = given === undefined ? invocation.config.concurrency : wholeNumber(given, '--concurrency');
    const config = { ...invocation.config, concurrency };
    await withServices({ ...invocation, config }, { loads: concurrency, logLevel: 'info' }, async (services) => {
      const [{ openQueue }, worker] = await Promise.all([
        import('../../runs/services.ts'),
        import('../../runs/worker/work.ts'),
      ]);
      const boss = await openQueue(services, { supervise: true });
      await worker.work(services, boss, signal);
    });
    return EXIT.done;
  },
};
