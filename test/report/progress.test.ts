import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { WriteStream } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { createProgress, type ProgressOptions } from '../../src/report/progress.ts';
import { RateEstimate } from '../../src/report/rate-estimate.ts';
import { displayWidth, printable, truncate } from '../../src/report/terminal-text.ts';

const SHOW = '\x1b[?25h';
const HIDE = '\x1b[?25l';

class Screen extends Writable {
  text = '';
  columns = 200;
  isTTY = true;
  /** Whether to act as a real terminal, which depends on TERM, NO_COLOR and the like. */
  getColorDepth = WriteStream.prototype.getColorDepth;

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }

  take(): string {
    const text = this.text;
    this.text = '';
    return text;
  }

  /** What stands in the line that was drawn last. */
  line(): string {
    return stripVTControlCharacters(this.text.slice(this.text.lastIndexOf('\r') + 1));
  }
}

let screen: Screen;
const start = (options: Partial<ProgressOptions> = {}) =>
  createProgress({
    label: 'pretrain',
    unit: 'step',
    total: 1000,
    stream: screen as unknown as NodeJS.WriteStream,
    ...options,
  });

beforeEach(() => {
  screen = new Screen();
  vi.useFakeTimers({ toFake: ['performance'] });
  for (const name of ['CI', 'TERM', 'NO_COLOR', 'FORCE_COLOR']) vi.stubEnv(name, undefined);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

describe('on a terminal', () => {
  it('shows count, bar, fields and time left in one line', () => {
    const progress = start();
    for (let done = 0; done <= 500; done += 100) {
      progress.update({
        done,
        fields: [
          ['loss', '3.21'],
          ['', '8.12k tok/s'],
        ],
      });
      vi.advanceTimersByTime(1000);
    }
    expect(screen.line()).toBe(
      'pretrain ██████████░░░░░░░░░░ step 500/1,000  loss 3.21  8.12k tok/s  5.0s left',
    );
    progress.finish('');
  });

  it('redraws at most ten times a second', () => {
    const progress = start();
    screen.take();
    for (let ms = 0; ms < 2000; ms += 5) {
      progress.update({ done: ms });
      vi.advanceTimersByTime(5);
    }
    expect(screen.take().split('\r').length - 1).toBe(20);
    progress.finish('');
  });

  it.each([12, 20, 40, 60, 79, 120])('never fills %d columns, and keeps count and time left', (columns) => {
    screen.columns = columns;
    const progress = start({ label: '训练' });
    for (let done = 0; done <= 600; done += 300) {
      progress.update({
        done,
        fields: [
          ['loss', '3.21'],
          ['file', '日本語のとても長い名前のファイル'],
          ['tokens', '12.3M'],
        ],
      });
      vi.advanceTimersByTime(300_000);
    }
    const line = screen.line();
    expect(displayWidth(line)).toBeLessThan(columns);
    if (columns >= 40) expect(line).toMatch(/step 600\/1,000.* 6m 40s left$/);
    if (columns === 40) expect(line).not.toContain('█');
    if (columns === 120) expect(line).toMatch(/█.*loss 3\.21.*tokens/);
    progress.finish('');
  });

  it('prints log lines above the status line', () => {
    const progress = start();
    progress.update({ done: 1 });
    screen.take();
    progress.log('saved');
    const [above, status] = screen.take().split('\n');
    expect(above).toBe('\r\x1b[Ksaved');
    expect(stripVTControlCharacters(status!)).toContain('step 1/1,000');
    progress.finish('');
  });

  it('hides the cursor while it works, and says in the end what was done', () => {
    const listeners = process.listenerCount('SIGINT');
    const progress = start();
    expect(screen.take()).toBe(HIDE);
    progress.update({ done: 1000, fields: [['loss', '2.5']] });
    vi.advanceTimersByTime(62_000);
    screen.take();
    progress.finish();
    expect(screen.take()).toBe(`\r\x1b[K${SHOW}pretrain step 1,000/1,000  loss 2.5  in 1m 02s\n`);
    progress.finish('again');
    progress.update({ done: 1 });
    progress.log('late');
    expect(screen.take()).toBe('');
    expect(process.listenerCount('SIGINT')).toBe(listeners);
  });

  it('ends with the summary given, or nothing for an empty one', () => {
    const first = start();
    screen.take();
    first.finish('done');
    expect(screen.take()).toBe(`${SHOW}done\n`);
    const second = start();
    screen.take();
    second.finish('');
    expect(screen.take()).toBe(SHOW);
  });

  it('colours only where the terminal and the user want it', () => {
    const line = () => {
      screen.take();
      const progress = start();
      progress.update({ done: 1 });
      const text = screen.take();
      progress.finish('');
      return text;
    };
    vi.stubEnv('TERM', 'xterm-256color');
    expect(line()).toContain('\x1b[1mpretrain');
    vi.stubEnv('NO_COLOR', '1');
    expect(line()).not.toContain('\x1b[1m');
  });

  it('follows the clock where time is the budget', () => {
    const progress = start({ total: undefined, seconds: 60 });
    vi.advanceTimersByTime(45_000);
    progress.update({ done: 7 });
    expect(screen.line()).toBe('pretrain ███████████████░░░░░ step 7  15s left');
    progress.finish('');
  });

  it('lets no control character of a name or a text through', () => {
    const progress = start({ label: 'a\x1b]0;title\x07b' });
    screen.take();
    progress.update({ done: 1, fields: [['file', 'x\r\ny\x1b[2J']] });
    progress.log('one\ntwo\x1b[31m red\x1b[0m \x9b2J\x1b[1A');
    const text = screen.take();
    expect(text).toContain('\x1b[31m red\x1b[0m');
    const kept = new RegExp(['\\r', '\\n', '\\x1b\\[K', '\\x1b\\[[0-9;]*m'].join('|'), 'g');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(text.replace(kept, '')).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
    progress.finish('');
  });
});

describe('elsewhere', () => {
  it.each([
    ['a file', () => Object.assign(screen, { isTTY: false })],
    ['CI', () => vi.stubEnv('CI', 'true')],
    ['TERM=dumb', () => vi.stubEnv('TERM', 'dumb')],
  ])('in %s it prints plain lines every five seconds', (_, prepare) => {
    prepare();
    const progress = start();
    for (let done = 0; done <= 120; ++done) {
      progress.update({ done, fields: [['loss', '3']] });
      vi.advanceTimersByTime(100);
    }
    progress.log('saved');
    progress.finish();
    const lines = screen.take().split('\n');
    expect(lines).toEqual([
      'pretrain step 0/1,000  loss 3',
      'pretrain step 50/1,000  loss 3  1m 35s left',
      'pretrain step 100/1,000  loss 3  1m 30s left',
      'saved',
      'pretrain step 120/1,000  loss 3  in 12s',
      '',
    ]);
  });
});

describe('the cursor comes back', () => {
  const child = (work: string) => {
    const module = JSON.stringify(join(packageRoot, 'dist', 'report', 'progress.js'));
    const code = `const { createProgress } = await import(${module});
      const progress = createProgress({ label: 'x', interactive: true });
      progress.update({ done: 1 });
      ${work}`;
    return spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  };
  const ended = (process: ReturnType<typeof child>) =>
    new Promise<{ code: number | null; signal: NodeJS.Signals | null; stderr: string }>((resolve) => {
      let stderr = '';
      process.stderr.on('data', (piece) => {
        stderr += piece;
      });
      process.on('close', (code, signal) => resolve({ code, signal, stderr }));
    });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'after %s, which ends the process as ever',
    async (signal) => {
      const process = child(`console.log('ready'); setInterval(() => {}, 1000);`);
      process.stdout.on('data', () => process.kill(signal));
      const end = await ended(process);
      expect(end.signal).toBe(signal);
      expect(end.stderr.startsWith(HIDE)).toBe(true);
      expect(end.stderr.endsWith(SHOW)).toBe(true);
    },
  );

  it('after process.exit in the middle of the work', async () => {
    const end = await ended(child('process.exit(3);'));
    expect(end.code).toBe(3);
    expect(end.stderr.endsWith(SHOW)).toBe(true);
  });

  it('but not yet where someone else handles the signal and the work goes on', async () => {
    const process =
      child(`process.once('SIGINT', () => setTimeout(() => { progress.finish('saved'); clearInterval(timer); }, 50));
      const timer = setInterval(() => {}, 1000); console.log('ready');`);
    process.stdout.on('data', () => process.kill('SIGINT'));
    const end = await ended(process);
    expect(end.code).toBe(0);
    expect(end.stderr.endsWith(`${SHOW}saved\n`)).toBe(true);
    expect(end.stderr.split(SHOW).length).toBe(2);
  });
});

describe('the time left', () => {
  it('does not count what a resumed run had done before', () => {
    const rate = new RateEstimate();
    rate.observe(100_000, 0);
    expect(rate.perSecond).toBeNaN();
    for (let i = 1; i <= 10; ++i) rate.observe(100_000 + i * 20, i * 1000);
    expect(rate.perSecond).toBeCloseTo(20, 9);
  });

  it('forgets a slow start within a minute and hardly notices a pause in a long run', () => {
    const rate = new RateEstimate();
    rate.observe(0, 0);
    rate.observe(1, 20_000);
    for (let i = 1; i <= 600; ++i) rate.observe(1 + i, 20_000 + 100 * i);
    expect(rate.perSecond).toBeGreaterThan(9);
    for (let i = 601; i <= 36_000; ++i) rate.observe(1 + i, 20_000 + 100 * i);
    rate.observe(36_002, 20_000 + 3_600_000 + 30_000);
    expect(rate.perSecond).toBeGreaterThan(8.5);
  });

  it('takes the same done twice, steps back and stopped clocks as no progress', () => {
    const rate = new RateEstimate();
    rate.observe(10, 0);
    rate.observe(10, 1000);
    rate.observe(20, 2000);
    expect(rate.perSecond).toBeCloseTo(5, 9);
    rate.observe(1, 3000);
    rate.observe(6, 4000);
    expect(rate.perSecond).toBeGreaterThan(0);
    rate.observe(7, 4000);
    expect(Number.isFinite(rate.perSecond)).toBe(true);
  });
});

describe('terminal text', () => {
  it.each([
    ['plain', 5],
    ['日本', 4],
    ['e\u0301', 1],
    ['🔥', 2],
    ['\x1b[1mbold\x1b[22m', 4],
    ['', 0],
  ])('%j takes %d columns', (text, columns) => expect(displayWidth(text)).toBe(columns));

  it('is cut with an ellipsis, never through a wide character, and its colour ends', () => {
    expect(truncate('abcdef', 6)).toBe('abcdef');
    expect(truncate('abcdef', 4)).toBe('abc…');
    expect(truncate('日本語', 4)).toBe('日…');
    expect(truncate('\x1b[31mabcdef', 3)).toBe('\x1b[31mab…\x1b[0m');
    expect(truncate('abc', 0)).toBe('');
  });

  it('shows control characters and keeps the rest', () => {
    expect(printable('a\x07\x1b[2Jb\x7f\x85\tc\n')).toBe('a␇␛[2Jb␡\ufffd\tc\n');
  });
});
