import { expect, test } from 'vitest';
import { screenOf } from '../pictures/terminal.ts';

const texts = (written: string) => screenOf(written).map((spans) => spans.map(({ text }) => text).join(''));

test('a line that was written over shows what came last', () => {
  expect(texts('10 %\r\x1b[2K100 %\ndone')).toEqual(['100 %', 'done']);
});

test('lines that were taken back are gone', () => {
  expect(texts('first\none\ntwo\x1b[1F\x1b[0Jthree')).toEqual(['first', 'three']);
});

test('colours end where they are told to', () => {
  expect(screenOf('a \x1b[32mgreen\x1b[39m \x1b[1mbold\x1b[22m')[0]).toEqual([
    { text: 'a ', colour: undefined, bold: false, dim: false },
    { text: 'green', colour: 2, bold: false, dim: false },
    { text: ' ', colour: undefined, bold: false, dim: false },
    { text: 'bold', colour: undefined, bold: true, dim: false },
  ]);
});
