import { describe, expect, it } from 'vitest';
import { type Figure, figureEvent, newestFigures } from '../../src/report/figures.ts';
import { renderReport } from '../../src/report/html-report.ts';
import { binned, frameOf, ticksOf } from '../../src/report/sections/plane.ts';

const scores: Figure = {
  kind: 'histogram',
  title: 'Scores <b>',
  unit: 'score',
  bins: 4,
  series: [
    { label: 'better', values: [0, 1, 2, 4, Number.NaN] },
    { label: 'worse', values: [0, 0] },
  ],
};
const record = (figure: Figure, step: number) => ({ ...figureEvent(figure), step });

describe('binned', () => {
  it('counts every finite value once, the largest in the last bin', () => {
    const { edges, shares } = binned(
      [
        [0, 1, 2, 4, Number.NaN],
        [0, 0],
      ],
      4,
    );
    expect(edges).toEqual([0, 1, 2, 3, 4]);
    expect(shares).toEqual([
      [0.25, 0.25, 0.25, 0.25],
      [1, 0, 0, 0],
    ]);
  });

  it('has room for values that are all the same, and for none', () => {
    expect(binned([[3, 3]], 2)).toEqual({ edges: [2.5, 3, 3.5], shares: [[0, 1]] });
    expect(binned([[]], 1)).toEqual({ edges: [-0.5, 0.5], shares: [[0]] });
  });
});

it('ticks are round numbers within the span, three to seven of them', () => {
  expect(ticksOf([0, 1])).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  expect(ticksOf([-1.3, 2.1])).toEqual([-1, 0, 1, 2]);
  for (let i = 0; i < 200; ++i) {
    const low = (i - 100) * 1.37;
    const high = low + 10 ** ((i % 12) - 6) * (1 + i / 40);
    const ticks = ticksOf([low, high]);
    expect(ticks.length).toBeGreaterThanOrEqual(2);
    expect(ticks.length).toBeLessThanOrEqual(9);
    for (const tick of ticks) {
      expect(tick).toBeGreaterThanOrEqual(low - 1e-6);
      expect(tick).toBeLessThanOrEqual(high + 1e-6);
    }
  }
  expect(ticksOf([2, 2])).toEqual([2]);
});

it('the newest figure of a title counts, and a record that holds none is passed over', () => {
  const bars: Figure = { kind: 'bars', title: 'Shares', bars: [] };
  const newer = { ...scores, bins: 7 };
  const damaged = { event: 'figure', step: 3, title: 'Damaged', figure: '{' };
  expect(newestFigures([record(scores, 1), record(bars, 1), record(newer, 2), damaged])).toEqual([
    newer,
    bars,
  ]);
});

it('the report draws them, with what they show in words', () => {
  const bins = [{ predicted: 0.25, observed: 0.5, low: 0.3, high: 0.7, count: 8 }];
  const calibration: Figure = { kind: 'calibration', title: 'Predicted', bins };
  const bars: Figure = {
    kind: 'bars',
    title: 'Shares',
    bars: [{ label: 'over 2', value: 0.75, low: 0.4, high: 0.9, count: 12 }],
  };
  const page = renderReport(
    [scores, calibration, bars].map((figure) => record(figure, 1)),
    { title: 't' },
  );
  expect(page).toContain('Scores &lt;b&gt; <small>score</small>');
  expect(page).toMatch(/aria-label="Scores &lt;b&gt;\. better: 5 values; worse: 2 values"/);
  expect(page).toContain('predicted 25 %, came true 50 % of 8');
  expect(page).toMatch(/over 2: 75 % of 12/);
  const frame = frameOf([0, 1], [0, 1]);
  expect(page).toContain(`<circle cx="${frame.x(0.25)}" cy="${frame.y(0.5)}"`);
  expect(page.match(/<path d="M/g)).toHaveLength(2);
  expect(renderReport([], { title: 't' })).not.toContain('At the last evaluation');
});

it('a number that is none is read back as none, and drawn nowhere', () => {
  const nan = Number.NaN;
  const bin = { predicted: 0.25, observed: 0.5, low: 0.3, high: 0.7, count: 8 };
  const undrawable: Figure[] = [
    { kind: 'bars', title: 'Bars', bars: [{ label: 'empty', value: nan, low: nan, high: nan, count: nan }] },
    { kind: 'calibration', title: 'Bins', bins: [bin, { ...bin, observed: nan, count: 0 }] },
    { kind: 'shares', title: 'Sides', series: ['one'], rows: [{ label: 'row', values: [nan] }] },
  ];
  expect(newestFigures(undrawable.map((figure) => record(figure, 1)))).toEqual(undrawable);
  const page = renderReport(
    undrawable.map((figure) => record(figure, 1)),
    { title: 't' },
  );
  const drawn = page.slice(
    page.indexOf('At the last evaluation'),
    page.indexOf('</section>', page.indexOf('At the last evaluation')),
  );
  expect(drawn).toContain('<title>empty: none</title>');
  expect(drawn).toContain('<span class="share">none</span>');
  expect(drawn.match(/<circle/g)).toHaveLength(1);
  expect(drawn).not.toMatch(/NaN|null|<rect/);
});
