import type { World } from '../harness/world.ts';

/** A fault of the proof table. */
export interface Scenario {
  /** For `--only`. */
  name: string;
  /** In one line, for people. */
  fault: string;
  /** How often the long form does it. */
  runs: number;
  /** How often the test does it. */
  shortRuns: number;
  /** One run, with faults as the world's random numbers say. @throws when something does not hold */
  prove(world: World): Promise<void>;
  /** Why it cannot be done on this machine; undefined when it can. */
  impossible?(): Promise<string | undefined>;
}
