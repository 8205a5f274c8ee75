import { Duck } from '../src/duckdb/instance.ts';
import { rows } from '../src/duckdb/scan.ts';

/** Plain DuckDB in a process of its own: runs one statement, and tells what it took. */
const [sql, memoryMb, threads, spillDirectory] = process.argv.slice(2);
const duck = new Duck({ memoryMb: Number(memoryMb), threads: Number(threads), spillDirectory: spillDirectory! });
const startedMs = performance.now();
await duck.use((connection) => rows(connection, sql!));
const seconds = (performance.now() - startedMs) / 1000;
await duck.close();
process.stdout.write(JSON.stringify({ seconds, peakMb: (process.resourceUsage().maxRSS * 1024) / 1e6 }));
