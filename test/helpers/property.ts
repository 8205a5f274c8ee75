/** Parameters of a property: how often, and a seed that is printed, so that any run can be had again. */
export function cases(numRuns: number): { numRuns: number; seed: number } {
  const seed = Number(process.env.PROPERTY_SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.info(`${numRuns} cases; PROPERTY_SEED=${seed} repeats them`);
  return { numRuns, seed };
}
