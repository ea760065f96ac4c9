import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { planUnits } from '../../../src/data/shards/plan.ts';

const folder = mkdtempSync(join(tmpdir(), 'athanor-plan-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MIB = 1 << 20;
const line = `${JSON.stringify({ text: 'x'.repeat(2 ** 16 - 12) })}\n`;

/** A file of JSON Lines. */
function file(name: string, mib: number): string {
  const path = join(folder, name);
  writeFileSync(path, line.repeat((mib * MIB) / line.length));
  return path;
}

test('units are many in a small input, and grow with it', async () => {
  const small = await planUnits({ sources: [file('small.jsonl', 20)] });
  expect(small.units.map(({ bytes }) => bytes)).toEqual(Array(20).fill(MIB));
  // 128 units of 1 MiB become 64 of 2 MiB, and the rest follows in such units.
  const { units } = await planUnits({ sources: [file('large.jsonl', 131)] });
  expect(units.map(({ bytes }) => bytes)).toEqual([...Array(65).fill(2 * MIB), MIB]);
  expect(units.map(({ parts }) => parts.length)).toEqual(Array(66).fill(1));
  expect(units.map(({ parts }) => parts[0]!.range)).toMatchObject(
    units.map((_, i) => ({ start: 2 * i * MIB, end: Math.min(2 * (i + 1), 131) * MIB })),
  );
});

test('a size that is given is kept', async () => {
  const { units } = await planUnits({ sources: [file('given.jsonl', 5)], unitBytes: 2 * MIB });
  expect(units.map(({ bytes }) => bytes)).toEqual([2 * MIB, 2 * MIB, MIB]);
});
