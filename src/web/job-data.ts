import { explain } from '../base/errors.ts';
import { maskParams } from '../base/secrets.ts';
import type { ParamDeclaration } from '../model/params.ts';
import { jobNames } from '../runs/job-names.ts';
import { loadJob } from '../runs/load-jobs.ts';
import type { Web } from './web.ts';

/** A job as its file in `jobs/` has it. */
export interface Definition {
  name: string;
  description: string;
  targets: string[];
  params: (Pick<ParamDeclaration, 'type'> & {
    name: string;
    default: string | number | boolean | null;
    env: string | null;
    help: string | null;
  })[];
  /** Why the file cannot be used; null when it can. */
  error: string | null;
}

/** All jobs of the project. A definition is read once: one that changes shows when the server starts again. */
export async function definitions(web: Web): Promise<Definition[]> {
  const names = await jobNames(web.services.config.root);
  return Promise.all(names.map((name) => read(web, name)));
}

export async function definition(web: Web, name: string): Promise<Definition | undefined> {
  const names = await jobNames(web.services.config.root);
  return names.includes(name) ? read(web, name) : undefined;
}

async function read({ services }: Web, name: string): Promise<Definition> {
  try {
    const { job } = await loadJob(services.config.root, name);
    const params = Object.entries(job.params).map(([param, declared]) => {
      const { type, env = null, help = null } = declared;
      const masked = maskParams({ [param]: declared.default ?? null })[param] as string | null;
      return { name: param, type, default: masked, env, help };
    });
    return { name, description: job.description, targets: Object.keys(job.targets), params, error: null };
  } catch (error) {
    return { name, description: '', targets: [], params: [], error: explain(error) };
  }
}
