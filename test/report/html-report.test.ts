import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { escapeHtml, html, scriptJson } from '../../src/report/html.ts';
import { renderReport, writeReport } from '../../src/report/html-report.ts';
import { METRICS_FILE, MetricsLog } from '../../src/report/metrics-log.ts';
import { runLog } from './run-log.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'athanor-report-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const hostile = `</script><script>alert(1)</script><img src=x onerror=alert(2)> "quoted" & 'so' <!-- \u0000\u001b[2J`;
const run = runLog({ steps: 300, evaluateEvery: 50, spikeAt: 120, nanAt: 200 });

/** The text of a page's cards by their labels. */
function cardsOf(page: string): Record<string, string> {
  const cards = [...page.matchAll(/<dt>([^<]*)<\/dt><dd>([^<]*)<\/dd>(?:<dd class="hint">([^<]*)<\/dd>)?/g)];
  return Object.fromEntries(
    cards.map(([, label, value, hint]) => [label, hint ? `${value} | ${hint}` : value]),
  );
}

describe('html templates', () => {
  it('escape everything but their own', () => {
    expect(html`<p title="${'"a"'}">${'<b>'}${[html`<i>${1}</i>`, 'x&y']}${undefined}</p>`.text).toBe(
      '<p title="&quot;a&quot;">&lt;b&gt;<i>1</i>x&amp;y</p>',
    );
    expect(escapeHtml("'\u0000\u001b\n\t")).toBe('&#39;␀␛\n\t');
  });

  it('JSON cannot end its script element', () => {
    const { text } = scriptJson({ hostile });
    expect(text).not.toContain('<');
    expect(JSON.parse(text)).toEqual({ hostile });
  });
});

describe('the report', () => {
  it('is one file, complete and without a temporary beside it', () => {
    const folder = join(root, 'whole');
    const log = MetricsLog.open(folder);
    for (const record of run) log.append(record);
    log.close();
    writeReport(folder, { title: 'A run' });
    expect(readdirSync(folder).sort()).toEqual([METRICS_FILE, 'report.html']);
    const page = readFileSync(join(folder, 'report.html'), 'utf8');
    expect(page.startsWith('<!doctype html>')).toBe(true);
    expect(page.trimEnd().endsWith('</html>')).toBe(true);
    expect(page).toContain('Permission is hereby granted, free of charge');
    // Nothing is loaded from anywhere: no address in any attribute or style.
    expect(page).not.toMatch(/\b(src|href)\s*=|url\(|@import/);
  });

  it('has the summary of the run', () => {
    const cards = cardsOf(renderReport(run, { title: 't', peakFlopsPerSecond: 1e12 }));
    expect(cards).toMatchObject({
      'Validation loss': '3.052 | the best so far',
      'Bits per byte': '1.017 | perplexity 21.2',
      Tokens: '1.23M | in 300 steps',
      'Share of peak': expect.stringMatching(/^5\d% \| of 1\.00 TFLOP\/s measured$/),
      'Training time': '1m 03s | evaluation apart',
    });
    expect(cardsOf(renderReport(run, { title: 't', peakFlopsPerSecond: 1e11 }))).not.toHaveProperty(
      'Share of peak',
    );
    const losses = run.filter(({ event }) => event === undefined).map(({ loss }) => Number(loss));
    const recent = losses.slice(-30).reduce((x, y) => x + y) / 30;
    expect(cards['Training loss']).toBe(`${recent.toFixed(3)} | mean of the last 30 steps`);
    expect(cards['Tokens/second']).toMatch(/^19\.\dk \| 5\d\d GFLOP\/s$/);
  });

  it('names an earlier best, takes over cards, and says when a loss is not finite', () => {
    const worse = [
      ...run,
      { event: 'evaluation', step: 350, val_loss: 3.5 },
      { step: 351, loss: Number.NaN },
    ];
    const summary = [['Tokens', '7'] as const, ['Win rate', '61%'] as const];
    const cards = cardsOf(renderReport(worse, { title: 't', summary }));
    expect(cards).toMatchObject({
      'Validation loss': '3.500 | best 3.052 at step 300',
      'Training loss': 'NaN | mean of the last 30 steps',
      Tokens: '7',
      'Win rate': '61%',
    });
  });

  it('shows samples in order, warnings, settings, tables, notes and environment', () => {
    const page = renderReport(run, {
      title: 'The title',
      subtitle: 'below it',
      config: { batch_size: 8, tied: true, lr: null, betas: [0.9, 0.95] },
      environment: { processor: 'abacus' },
      tables: [{ title: 'Win rates', columns: ['against', 'rate'], rows: [['base', 0.61]], note: 'of 100' }],
      notes: ['a note'],
    });
    const text = page
      .slice(page.indexOf('<body>'))
      .replace(/<script[\s\S]*?<\/script>/g, '')
      .replace(/<[^>]*>/g, ' ');
    const flat = text.replace(/\s+/g, ' ');
    for (const wanted of [
      'The title below it',
      '2 warnings step 120: loss',
      'step 200: loss NaN is odd',
      'Win rates against rate base 0.61 of 100',
      'Step 50 We must of the nation. Step 100',
      'a note',
      'batch size 8 tied yes lr none betas [0.9,0.95]',
      'processor abacus',
    ])
      expect(flat).toContain(wanted);
    expect(flat.indexOf('Step 250')).toBeGreaterThan(flat.indexOf('Step 200'));
  });

  it('lets nothing break out, wherever it comes from', () => {
    const page = renderReport(
      [
        { step: 1, loss: 2 },
        { event: 'sample', step: 1, prompt: hostile, text: hostile },
        { event: 'warning', step: 1, text: hostile },
      ],
      {
        title: hostile,
        subtitle: hostile,
        config: { [hostile]: hostile, nested: { [hostile]: hostile } },
        environment: { [hostile]: hostile },
        summary: [[hostile, hostile]],
        tables: [{ title: hostile, columns: [hostile], rows: [[hostile]], note: hostile }],
        notes: [hostile],
        charts: [
          {
            id: 'x',
            title: hostile,
            unit: hostile,
            lines: [{ field: 'loss', label: hostile, from: 'step' }],
          },
        ],
      },
    );
    expect(page.match(/<script/g)).toHaveLength(3);
    expect(page.match(/<\/script>/g)).toHaveLength(3);
    expect(page).not.toContain('<img');
    expect(page).not.toMatch(/<!--/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(page).not.toMatch(/[\x00\x1b]/);
  });

  it('sets prompt and answer of a sample apart', () => {
    const page = renderReport([{ event: 'sample', step: 1, prompt: 'Who?', text: ' Nobody.' }], {
      title: 't',
    });
    expect(page).toMatch(/<p class="prompt"[^>]*>Who\?<\/p>\s*<p class="answer"[^>]*>Nobody\.<\/p>/);
  });

  it('marks answers, names the column of each cell, draws shares as bars and has the command', () => {
    const page = renderReport([], {
      title: 't',
      command: 'npx athanor quickstart --seed 3',
      tables: [
        {
          title: 'Answers',
          columns: ['question', 'base', 'SFT'],
          rows: [['Who?', { text: 'Me', isRight: false }, { text: 'You', isRight: true }]],
        },
      ],
      figures: [
        {
          kind: 'shares',
          title: 'Right answers',
          series: ['sampled', 'greedy'],
          rows: [{ label: 'base', values: [0.25, 1] }],
        },
      ],
    });
    expect(page).toMatch(/<td data-label="base"><span><span class="mark wrong" [^>]*>✗<\/span>Me</);
    expect(page).toMatch(/<td data-label="SFT"><span><span class="mark right" [^>]*>✓<\/span>You</);
    expect(page).toContain('style="width:25%');
    expect(page).toContain('style="width:100%');
    expect(page).toContain('<code class="command">npx athanor quickstart --seed 3</code>');
  });

  it('has the charts of stages in other folders, where they have a log', () => {
    const folder = join(root, 'pipeline');
    MetricsLog.open(folder).close();
    const log = MetricsLog.open(join(folder, 'first'));
    for (const record of run) log.append(record);
    log.close();
    const stages = ['first', 'second'].map((name) => ({ name, folder: name, charts: ['loss'] }));
    writeReport(folder, { title: 't', stages });
    const page = readFileSync(join(folder, 'report.html'), 'utf8');
    expect(page).toContain('first: loss');
    expect(page).not.toContain('second: loss');
  });

  it('is made again with what the page before said, or else with the settings of the run', () => {
    const folder = join(root, 'again');
    const log = MetricsLog.open(folder);
    for (const record of run) log.append(record);
    const options = { title: hostile, notes: ['a note'], environment: { processor: 'abacus' } };
    writeReport(folder, { ...options, refreshSeconds: 10 });
    log.append({ step: 301, loss: 1 });
    log.close();
    writeReport(folder);
    const page = readFileSync(join(folder, 'report.html'), 'utf8');
    expect(page).toContain('<dt>Steps</dt><dd>301</dd>');
    for (const kept of [escapeHtml(hostile), 'a note', 'abacus']) expect(page).toContain(kept);
    expect(page).not.toContain('http-equiv="refresh"');

    rmSync(join(folder, 'report.html'));
    const settings = { batchSize: 8, seed: 3 };
    writeFileSync(join(folder, 'run.json'), JSON.stringify({ stage: 'sft', settings }));
    writeReport(folder);
    const anew = readFileSync(join(folder, 'report.html'), 'utf8');
    expect(anew).toContain('<title>again</title>');
    expect(anew).toContain('<p class="subtitle">sft</p>');
    expect(anew).toContain('<dt>batch size</dt><dd>8</dd>');
    // This machine need not be the run's.
    expect(anew).not.toContain('<h2>Environment</h2>');
  });

  it('says what is missing', () => {
    expect(renderReport([], { title: 't' })).toContain('No step was logged.');
    expect(renderReport([{ step: 1, loss: 2 }], { title: 't' }, { badLines: 3 })).toContain(
      '3 lines of metrics.jsonl could not be read',
    );
    expect(() => writeReport(join(root, 'nowhere'), { title: 't' })).toThrow(
      expect.objectContaining({ code: 'ERR_FILE_MISSING' }),
    );
  });

  it('stays small for a hundred thousand steps and hundreds of long samples', () => {
    const folder = join(root, 'long');
    const log = MetricsLog.open(folder);
    const sampleText = 'word '.repeat(2000);
    for (const record of runLog({ steps: 100_000, evaluateEvery: 250, spikeAt: 777, sampleText }))
      log.append(record);
    log.close();
    writeReport(folder, { title: 'long' });
    expect(statSync(join(folder, 'report.html')).size).toBeLessThan(2e6);
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain('60 of 400 steps with samples');
  });
});
