import { DrayageError, EXIT } from '../../base/errors.ts';
import { didYouMean } from '../../base/suggest.ts';
import type { LakeRequest } from '../lake-actions.ts';
import { type Verb, wholeNumber } from '../verb.ts';
import { lakeRoot } from './query.ts';

const ACTIONS = ['ls', 'verify', 'expire', 'compact'] as const;

export const lake: Verb = {
  usage: 'lake <action> [dataset]',
  summary:
    '"ls" tells what a lake holds, "verify" reads every file again, "expire" removes old days, "compact" puts small files together',
  options: [
    ['--lake <root>', 'its folder, or s3://bucket/prefix (default DRAYAGE_LAKE, else "lake")'],
    ['--older-than <age>', 'expire: 90d, 12w, 18m, 7y, or the first day that is kept'],
    ['--target-mb <n>', 'compact: how large a file is to become (default 128)'],
    ['--yes', 'expire and compact: do it; without it they only tell what they would do'],
    ['--grace <seconds>', 'how long removed files stay for queries under way (default 60)'],
  ],
  example: 'dray lake expire ticket --older-than 18m',
  async run({ args, options, config, out, signal }) {
    const [action, dataset] = args;
    if (!ACTIONS.includes(action as (typeof ACTIONS)[number])) {
      throw new DrayageError('USAGE', `"lake ${action}" is unknown.${didYouMean(action!, ACTIONS)}`, {
        hint: `Use ${ACTIONS.map((one) => `"dray lake ${one}"`).join(', ')}.`,
      });
    }
    if (action === 'expire' && options.olderThan === undefined) {
      throw new DrayageError('USAGE', 'It is not said what is old', { hint: 'Write --older-than 90d.' });
    }
    const grace = options.grace === '0' ? 0 : wholeNumber(options.grace ?? '60', '--grace');
    const request: LakeRequest = {
      root: lakeRoot(options, config.lake),
      dataset,
      olderThan: String(options.olderThan),
      targetBytes: wholeNumber(options.targetMb ?? '128', '--target-mb') * 1_000_000,
      yes: options.yes === true,
      graceSeconds: grace,
    };
    const { LakeActions } = await import('../lake-actions.ts');
    const ok = await new LakeActions(request, config, out, signal)[action as (typeof ACTIONS)[number]]();
    return ok ? EXIT.done : EXIT.failures;
  },
};
