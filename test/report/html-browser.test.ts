/** The report in a real browser. Without a browser these tests say so and do not run. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chartSpecsFor } from '../../src/report/chart-specs.ts';
import { renderComparison } from '../../src/report/comparison.ts';
import type { Figure } from '../../src/report/figures.ts';
import { renderReport, sourceOf } from '../../src/report/html-report.ts';
import { Browser, findBrowser } from '../helpers/browser.ts';
import { runLog } from './run-log.ts';

const program = findBrowser();
const hostile = '</script><script>alert(1)</script><img src="http://127.0.0.1:9/x">';

/** Pixels of a chart that are not transparent, as a share. */
const inkOf = (id: string) => `(() => {
  const canvas = document.querySelector('#chart-${id} canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let ink = 0;
  for (let i = 3; i < data.length; i += 4) if (data[i] > 0) ink++;
  return ink / (data.length / 4);
})()`;
const legendOf = (id: string) =>
  `[...document.querySelectorAll('#chart-${id} .u-series')]
    .map((row) => row.querySelector('.u-label').innerText + ' ' + row.querySelector('.u-value').innerText).join(', ')`;
const rangeOf = `[...document.querySelectorAll('.chart')].map((chart) => chart.dataset.range)`;

describe.skipIf(program === undefined)(
  `in ${program ?? 'a browser (none of Chromium and Chrome is on PATH)'}`,
  () => {
    let root: string;
    let browser: Browser;
    let page: string;
    let long: string;

    beforeAll(async () => {
      root = mkdtempSync(join(tmpdir(), 'athanor-report-browser-'));
      page = join(root, 'report.html');
      long = join(root, 'long.html');
      const records = runLog({
        steps: 400,
        evaluateEvery: 50,
        spikeAt: 120,
        nanAt: 300,
        sampleText: hostile,
      });
      writeFileSync(page, renderReport(records, { title: hostile, config: { [hostile]: hostile } }));
      writeFileSync(long, renderReport(runLog({ steps: 100_000, evaluateEvery: 5000 }), { title: 'long' }));
      browser = await Browser.start(program!);
    });
    afterAll(async () => {
      await browser?.close();
      rmSync(root, { recursive: true, force: true });
    });

    it.each([
      ['light', false, 1280],
      ['dark', true, 1280],
      ['light, on a phone', false, 390],
    ])(
      '%s: every chart is drawn, nothing overflows, nothing fails and nothing is fetched',
      async (_, dark, width) => {
        browser.problems.length = 0;
        await browser.open(page, { dark, width });
        expect(await browser.evaluate('document.documentElement.dataset.charts')).toBe('5');
        for (const id of ['loss', 'bits-per-byte', 'lr', 'grad-norm', 'speed'])
          expect(await browser.evaluate(inkOf(id)), id).toBeGreaterThan(0.005);
        expect(await browser.evaluate('document.documentElement.scrollWidth')).toBe(width);
        expect(await browser.evaluate('document.title')).toBe(hostile);
        expect(await browser.evaluate('document.scripts.length')).toBe(3);
        expect(await browser.evaluate('document.images.length')).toBe(0);
        const background = await browser.evaluate('getComputedStyle(document.body).backgroundColor');
        expect(background).toBe(dark ? 'rgb(19, 21, 24)' : 'rgb(247, 247, 245)');
        expect(browser.problems).toEqual([]);
      },
    );

    it('the button switches between light and dark', async () => {
      await browser.open(page, { dark: true });
      const color = 'getComputedStyle(document.body).backgroundColor';
      await browser.evaluate(`document.getElementById('theme').click()`);
      expect(await browser.evaluate(color)).toBe('rgb(247, 247, 245)');
      await browser.evaluate(`document.getElementById('theme').click()`);
      expect(await browser.evaluate(color)).toBe('rgb(19, 21, 24)');
    });

    it('hovering shows the values there, also in the other charts, and the last ones otherwise', async () => {
      await browser.open(page);
      expect(await browser.evaluate(legendOf('loss'))).toMatch(
        /^step 400, training, each step 2\.\d+, training [\d.]+, validation 3\.052$/,
      );
      const [left, top, width] = await over('loss');
      await browser.mouse('mouseMoved', left + width / 2, top + 50);
      await browser.frame();
      for (const id of ['loss', 'lr', 'grad-norm']) {
        const step = Number(/^step (\d+)/.exec(String(await browser.evaluate(legendOf(id))))![1]);
        expect(Math.abs(step - 200), id).toBeLessThan(4);
      }
    });

    it('dragging zooms every chart, a double click resets', async () => {
      await browser.open(page);
      const [left, top, width] = await over('loss');
      await browser.mouse('mouseMoved', left + width * 0.25, top + 50);
      await browser.mouse('mousePressed', left + width * 0.25, top + 50);
      for (const share of [0.3, 0.4, 0.5]) await browser.mouse('mouseMoved', left + width * share, top + 60);
      await browser.mouse('mouseReleased', left + width * 0.5, top + 60);
      await browser.frame();
      const zoomed = (await browser.evaluate(rangeOf)) as string[];
      expect(new Set(zoomed).size).toBe(1);
      const [min, max] = zoomed[0]!.split(' ').map(Number);
      expect(Math.abs(min! - 101)).toBeLessThan(3);
      expect(Math.abs(max! - 200)).toBeLessThan(3);
      expect(await browser.evaluate(`document.getElementById('reset').disabled`)).toBe(false);
      for (const count of [1, 2]) {
        await browser.mouse('mousePressed', left + 300, top + 50, count);
        await browser.mouse('mouseReleased', left + 300, top + 50, count);
      }
      await browser.frame();
      expect(new Set((await browser.evaluate(rangeOf)) as string[])).toEqual(new Set(['1 400']));
      expect(await browser.evaluate(`document.getElementById('reset').disabled`)).toBe(true);
    });

    it('the keyboard moves the cursor, zooms and resets', async () => {
      await browser.open(page);
      await browser.evaluate(`document.getElementById('chart-loss').focus()`);
      await browser.key('Home');
      expect(await browser.evaluate(legendOf('loss'))).toMatch(/^step 1, /);
      await browser.key('ArrowRight');
      expect(await browser.evaluate(legendOf('loss'))).toMatch(/^step 5, /);
      expect(await browser.evaluate(`document.getElementById('announce').textContent`)).toMatch(
        /^step 5, training/,
      );
      await browser.key('+');
      expect(Number(String(((await browser.evaluate(rangeOf)) as string[])[1]).split(' ')[1])).toBeLessThan(
        210,
      );
      await browser.key('Escape');
      expect(((await browser.evaluate(rangeOf)) as string[])[1]).toBe('1 400');
    });

    it('axis, scale and smoothing can be chosen', async () => {
      browser.problems.length = 0;
      await browser.open(page);
      await browser.evaluate(`document.getElementsByName('axis')[1].click()`);
      expect(await browser.evaluate(legendOf('loss'))).toMatch(/^tokens 1\.64M, /);
      await browser.evaluate(`document.getElementsByName('axis')[2].click()`);
      expect(await browser.evaluate(legendOf('loss'))).toMatch(/^time 1:2\d min, /);
      const before = await browser.screenshot();
      await browser.evaluate(`document.getElementById('log').click()`);
      await browser.frame();
      expect(Buffer.compare(before, await browser.screenshot())).not.toBe(0);
      const lines = `document.querySelectorAll('#chart-loss .u-legend .u-series').length`;
      expect(await browser.evaluate(lines)).toBe(4);
      await browser.evaluate(
        `(() => { const s = document.getElementById('smoothing'); s.value = 0; s.dispatchEvent(new Event('input')); })()`,
      );
      expect(await browser.evaluate(lines)).toBe(3);
      expect(browser.problems).toEqual([]);
    });

    it('a hundred thousand steps are drawn, smoothed through the means', async () => {
      browser.problems.length = 0;
      await browser.open(long);
      expect(await browser.evaluate('document.documentElement.dataset.charts')).toBe('5');
      // Loss ends at 3 + 7 exp(-8), with noise of 0.1: its smoothed course must not
      // show the extremes.
      const course = /, training ([\d.]+)/.exec(String(await browser.evaluate(legendOf('loss'))));
      expect(Math.abs(Number(course![1]) - 3.002)).toBeLessThan(0.02);
      expect(browser.problems).toEqual([]);
    });

    it('a comparison has one line per run, named by the legend', async () => {
      const compared = join(root, 'compared.html');
      const runs = ['first', hostile].map((name, i) => ({
        name,
        records: runLog({ steps: 200 + 100 * i, evaluateEvery: 50 }),
        settings: { lr: i },
      }));
      writeFileSync(compared, renderComparison(runs));
      browser.problems.length = 0;
      await browser.open(compared);
      expect(await browser.evaluate(legendOf('loss-val_loss-0'))).toBe(
        `step 300, first 3.052, ${hostile} 3.052`,
      );
      expect(await browser.evaluate(inkOf('loss-loss-0'))).toBeGreaterThan(0.005);
      expect(new Set((await browser.evaluate(rangeOf)) as string[])).toEqual(new Set(['1 300']));
      expect(browser.problems).toEqual([]);
    });

    it('charts of different stages zoom by themselves', async () => {
      const staged = join(root, 'staged.html');
      const stage = (name: string, steps: number) => {
        const records = runLog({ steps, evaluateEvery: 50 });
        return { ...sourceOf(records), specs: chartSpecsFor(records), name, charts: ['loss'] };
      };
      const stages = [stage('One', 100), stage('Two', 300)];
      writeFileSync(staged, renderReport([], { title: 't' }, { stages }));
      await browser.open(staged);
      expect(await browser.evaluate(rangeOf)).toEqual(['1 100', '1 300']);
      await browser.evaluate(`document.getElementById('chart-stage-1-loss').focus()`);
      await browser.key('+');
      const [first, second] = (await browser.evaluate(rangeOf)) as string[];
      expect(first).not.toBe('1 100');
      expect(second).toBe('1 300');
    });

    it('on a phone a table is cards whose words stay whole', async () => {
      const table = join(root, 'table.html');
      const columns = ['model', ...Array.from({ length: 8 }, (_, i) => `m${i}`)];
      const rows = ['base', 'SFT'].map((name) => [
        name,
        ...columns.slice(1).map(() => 'considerably better'),
      ]);
      writeFileSync(table, renderReport([], { title: 't', tables: [{ title: 'Models', columns, rows }] }));
      await browser.open(table, { width: 390 });
      expect(await browser.evaluate('document.documentElement.scrollWidth')).toBe(390);
      const broken = `[...document.querySelectorAll('.scroll td, .scroll td span')].flatMap((cell) => {
        const text = cell.firstChild;
        if (text?.nodeType !== Node.TEXT_NODE) return [];
        return [...text.data.matchAll(/\\S+/g)].filter(({ 0: word, index }) => {
          const range = document.createRange();
          range.setStart(text, index);
          range.setEnd(text, index + word.length);
          return range.getClientRects().length !== 1;
        }).map(([word]) => word);
      })`;
      expect(await browser.evaluate(`document.querySelectorAll('.scroll td').length`)).toBe(18);
      expect(await browser.evaluate(broken)).toEqual([]);
    });

    it.each([1280, 390])('no label of a drawing is cut off, %i pixels wide', async (width) => {
      const drawn = join(root, 'drawn.html');
      const bins = [0, 0.5, 1].map((at) => ({ predicted: at, observed: at, low: at, high: at, count: 9 }));
      const bars = [{ label: '0.25 to 0.5', value: 1, count: 1000 }];
      const figures: Figure[] = [
        { kind: 'calibration', title: 'Predicted', bins },
        { kind: 'bars', title: 'Accuracy', bars },
      ];
      writeFileSync(drawn, renderReport([], { title: 't', figures }));
      await browser.open(drawn, { width });
      const cut = `[...document.querySelectorAll('.plot')].flatMap((plot) => {
        const { left, right, top, bottom } = plot.getBoundingClientRect();
        return [...plot.querySelectorAll('text')].filter((text) => {
          const box = text.getBoundingClientRect();
          return box.left < left || box.right > right || box.top < top || box.bottom > bottom;
        }).map((text) => text.textContent);
      })`;
      expect(await browser.evaluate(`document.querySelectorAll('.plot text').length`)).toBeGreaterThan(10);
      expect(await browser.evaluate(cut)).toEqual([]);
    });

    async function over(id: string): Promise<[number, number, number]> {
      return (await browser.evaluate(
        `(() => { const box = document.querySelector('#chart-${id} .u-over').getBoundingClientRect(); return [box.left, box.top, box.width]; })()`,
      )) as [number, number, number];
    }
  },
);
