import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/postgres.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Many tests wait for Postgres, or for processes that they start: a third one fills two cores.
    maxWorkers: 3,
  },
});
