import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/postgres.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores have to be shared with Postgres and with the processes that the tests start.
    maxWorkers: 2,
  },
});
