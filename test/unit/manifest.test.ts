import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatManifest, type LakeFile, liveFiles, type Manifest, parseManifest } from '../../src/model/manifest.ts';

const file = (path: string): LakeFile => ({
  dataset: 'ticket',
  path,
  rows: 3,
  bytes: 400,
  checksum: 'a'.repeat(64),
  columns: [{ name: 'id', type: 'BIGINT' }],
  source: { partition: 'tickets.csv', fingerprint: 'f' },
});
const manifest = (run: string, paths: string[], removes: string[] = []): Manifest => ({
  version: 1,
  run,
  job: 'support-ingest',
  published: '2026-01-02T03:04:05.000Z',
  files: paths.map(file),
  removes,
});
/** The manifest with another value at a path of names and indexes. */
const changed = (at: (string | number)[], value: unknown) => {
  const copy = JSON.parse(formatManifest(manifest('1', ['ticket/a.parquet', 'ticket/b.parquet'])));
  const last = at.pop()!;
  at.reduce((within, part) => within[part], copy)[last] = value;
  return () => parseManifest(JSON.stringify(copy), 's3://lake/_manifest/1.json');
};

describe('a manifest', () => {
  test('comes back as it was written', () => {
    const name = fc.string({ minLength: 1 });
    fc.assert(
      fc.property(fc.array(fc.tuple(name, name)), fc.nat(), (given, rows) => {
        const columns = [...new Map(given)].map(([column, type]) => ({ name: column, type }));
        const one = { ...manifest('7', []), files: [{ ...file('ticket/x.parquet'), rows, columns }] };
        expect(parseManifest(formatManifest(one), 'x')).toEqual(one);
      }),
    );
  });

  test('that is damaged says what is wrong with it, and where', () => {
    expect(() => parseManifest('{"version": 1', 'm.json')).toThrow(/it is no JSON/);
    expect(() => parseManifest('[]', 'm.json')).toThrow('it is no object');
    expect(changed(['version'], 2)).toThrow('of version 2, not 1');
    expect(changed(['run'], '../1')).toThrow('run is no name');
    expect(changed(['published'], 'soon')).toThrow('published is no moment');
    expect(changed(['files'], undefined)).toThrow('files is no list');
    expect(changed(['files', 1, 'rows'], -1)).toThrow('files[1].rows is no count');
    expect(changed(['files', 1, 'checksum'], 'A')).toThrow('files[1].checksum is no SHA-256');
    expect(changed(['files', 0, 'dataset'], 'a/b')).toThrow('files[0].dataset is no name of a dataset');
    expect(changed(['files', 0, 'columns', 1], { name: 'id', type: 'DATE' })).toThrow('has "id" twice');
    expect(changed(['files', 0, 'source'], null)).toThrow('files[0].source is no object');
    const error = expect.objectContaining({ where: { file: 's3://lake/_manifest/1.json' } });
    expect(changed(['removes'], [1])).toThrow(error);
  });

  test.each([
    '/etc/passwd',
    '../x',
    'ticket/../../x',
    'ticket//x',
    '_manifest/1.json',
    'C:/x',
    'a\\..\\x',
    'a/.',
  ])('does not reach outside of its datasets: %s', (path) => {
    expect(changed(['files', 0, 'path'], path)).toThrow('does not lie in a dataset');
    expect(changed(['removes', 0], path)).toThrow('does not lie in a dataset');
  });

  test('and others make up the lake: all files, without what any of them removes', () => {
    const lake = [
      manifest('2', ['ticket/c'], ['ticket/a', 'ticket/b']),
      manifest('1', ['ticket/b', 'ticket/a', 'ticket/d']),
      manifest('3', ['ticket/d']),
    ];
    expect(liveFiles(lake).map(({ path }) => path)).toEqual(['ticket/c', 'ticket/d']);
  });
});
