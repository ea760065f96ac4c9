/** The report in a real browser. Without a browser these tests say so and do not run. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderReport } from '../../src/report/html-report.ts';
import { Browser, findBrowser } from './browser.ts';
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

    async function over(id: string): Promise<[number, number, number]> {
      return (await browser.evaluate(
        `(() => { const box = document.querySelector('#chart-${id} .u-over').getBoundingClientRect(); return [box.left, box.top, box.width]; })()`,
      )) as [number, number, number];
    }
  },
);
