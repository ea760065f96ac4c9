import { expect, it } from 'vitest';
import { causeOf } from '../../src/launch/cause.ts';
import type { RankEnd } from '../../src/launch/local-ranks.ts';

const end = (rank: number, more: Partial<RankEnd> = {}): RankEnd => ({
  ...{ rank, code: 1, signal: null, wasStopped: false, report: undefined },
  ...more,
});
const well = (rank: number) => end(rank, { code: 0 });
const killed = (rank: number) => end(rank, { code: null, signal: 'SIGKILL' });
const said = (rank: number, message: string) => end(rank, { report: { isAboutOther: false, message } });
const lost = (rank: number) =>
  end(rank, { report: { isAboutOther: true, message: `rank 2 was lost, ${rank}` } });
const stopped = (rank: number) => end(rank, { code: null, signal: 'SIGKILL', wasStopped: true });

it.each<[string, RankEnd[], number | undefined]>([
  ['nothing, when all end well', [well(1), well(0)], undefined],
  ['a rank that was killed', [killed(2), lost(1), lost(0)], 2],
  ['a rank that was killed, seen after one that lost it', [lost(1), killed(2), lost(0)], 2],
  ['a rank that was killed, seen last', [lost(0), lost(1), killed(2)], 2],
  ['a rank that failed by itself, seen last', [lost(0), lost(2), end(1)], 1],
  ['rank 0, which failed by itself, seen last', [lost(2), lost(1), end(0)], 0],
  ['the first of two that were killed', [lost(0), killed(2), killed(1)], 2],
  ['a rank that waited in vain for one that hangs', [lost(1), end(0), stopped(2)], 0],
  ['a rank that lost another, when no other cause is known', [lost(1), stopped(0), stopped(2)], 1],
  ['a rank that failed, after one ended well', [well(0), lost(2), end(1, { code: 7 })], 1],
  ['rank 0, where all have one error', [said(2, 'too few'), said(0, 'too few'), said(1, 'too few')], 0],
  ['the first of two with errors of their own', [said(2, 'no disk'), said(0, 'a late rank')], 2],
])('the cause is %s', (_, ends, rank) => {
  expect(causeOf(ends)?.rank).toBe(rank);
});
