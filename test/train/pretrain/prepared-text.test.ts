/** Text becomes shards in the run's folder once, whatever happens to the run afterwards. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../../src/train/loop/run-events.ts';
import { type PretrainOptions, pretrain } from '../../../src/train/pretrain/run.ts';
import { temporaryFolder } from '../../helpers/cli.ts';

const TEXT = 'Name a colour. Blue. Red, then. Be brief. ';
let folder: string;
let out: string;
let corpus: string;
beforeEach(() => {
  folder = temporaryFolder();
  out = join(folder, 'run');
  corpus = join(folder, 'corpus.txt');
  writeFileSync(corpus, TEXT.repeat(100));
});

const settings = (): PretrainOptions => ({
  data: corpus,
  out,
  model: 'tiny',
  vocabSize: 300,
  context: 16,
  batchSize: 2,
  dtype: 'f32',
  steps: 1,
});

/** Whether the run prepared its text. With `stop`, it ends before its first step. */
async function run(extra: Partial<PretrainOptions> = {}, stop = false): Promise<boolean> {
  const controller = new AbortController();
  let prepared = false;
  const onEvent = ({ type }: RunEvent) => {
    if (type === 'preparing') prepared = true;
    if (type === 'start' && stop) controller.abort();
  };
  const options = extra.resume ? { out, ...extra } : { ...settings(), ...extra };
  const ended = pretrain(options, { signal: controller.signal, onEvent });
  if (stop) await expect(ended).rejects.toMatchObject({ code: 'ERR_INTERRUPTED' });
  else await ended;
  return prepared;
}

describe('prepared text', () => {
  it('stays when a run ends before its first step, and the next run uses it', async () => {
    expect(await run({}, true)).toBe(true);
    expect(readdirSync(out)).toEqual(['data']);
    expect(await run({ steps: 2 })).toBe(false);
  });

  it('is found under another path, and made again for other text or another vocabulary', async () => {
    await run({}, true);
    const moved = join(folder, 'moved.txt');
    writeFileSync(moved, readFileSync(corpus));
    expect(await run({ data: moved }, true)).toBe(false);
    expect(await run({ vocabSize: 280 }, true)).toBe(true);
    writeFileSync(moved, `${TEXT.repeat(100)}More.`);
    expect(await run({ data: moved, vocabSize: 280 }, true)).toBe(true);
    expect(await run({ data: moved, vocabSize: 280 })).toBe(false);
  });

  it('is all that a resumed run needs; text that is named again must be the same', async () => {
    await run();
    rmSync(corpus);
    expect(await run({ resume: true, steps: 2 })).toBe(false);
    const moved = join(folder, 'moved.txt');
    writeFileSync(moved, TEXT.repeat(100));
    expect(await run({ resume: true, steps: 3, data: moved })).toBe(false);
    writeFileSync(moved, TEXT.repeat(99));
    await expect(pretrain({ out, resume: true, steps: 4, data: moved })).resolves.toMatchObject({ step: 4 });
    const other = join(folder, 'other.txt');
    writeFileSync(other, TEXT.repeat(99));
    await expect(pretrain({ out, resume: true, steps: 5, data: other })).rejects.toMatchObject({
      code: 'ERR_MISMATCH',
      message: expect.stringMatching(/other\.txt does not hold the text that the run began with/),
    });
  });

  it('of a run that was killed right after it was made leaves nothing beside it', async () => {
    await run();
    const names = readdirSync(out).sort();
    mkdirSync(join(out, 'data.partial', 'filtered'), { recursive: true });
    writeFileSync(join(out, '.data.athanor.lock'), '{}');
    expect(await run({ resume: true, steps: 2 })).toBe(false);
    expect(readdirSync(out).sort()).toEqual(names);
  });

  it('never takes the place of a folder of another origin', async () => {
    const own = join(out, 'data');
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, 'corpus.txt'), TEXT);
    await expect(pretrain(settings())).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    expect(readdirSync(own)).toEqual(['corpus.txt']);
    expect(readdirSync(out)).toEqual(['data']);
  });
});
