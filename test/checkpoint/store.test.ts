import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type CheckpointContents, verifyCheckpoint } from '../../src/checkpoint/checkpoint-folder.ts';
import { readModelFiles } from '../../src/checkpoint/load-model.ts';
import { writeModelFiles } from '../../src/checkpoint/save-model.ts';
import { CheckpointStore, DamagedCheckpointError } from '../../src/checkpoint/store.ts';
import { temporaryFolder } from '../helpers/cli.ts';
import { expectError, randomNormal, rng } from '../helpers/reference.ts';
import { gpt2Config, randomParameters } from './models.ts';

/** The contents of a checkpoint at this step. */
function contents(step: number, metric?: number): CheckpointContents {
  const parameters = randomParameters(gpt2Config, step);
  return {
    writeModel: (folder) => writeModelFiles(folder, { config: gpt2Config, parameters }),
    tensors: [...parameters].map(([name, { shape, data }]) => [
      `first.${name}`,
      { dtype: 'f32', shape, data: () => randomNormal(data.length, step + 100) },
    ]),
    state: { step, seed: 2 ** 53 - 1, rate: 0.1 + 0.2, nested: [null, 'ü', { a: true }] },
    ...(metric !== undefined && { metric }),
  };
}

function expectContents(store: CheckpointStore, step: number, fallback = false): void {
  using loaded = store.load({ fallback });
  const expected = contents(step);
  expect(loaded.step).toBe(step);
  expect(loaded.state).toEqual(expected.state);
  expect(readModelFiles(loaded.path).parameters).toEqual(randomParameters(gpt2Config, step));
  const tensors = [...expected.tensors];
  expect([...loaded.tensors.tensors.keys()]).toEqual(tensors.map(([name]) => name));
  for (const [name, source] of tensors) {
    expect(loaded.tensors.read(name).data).toEqual((source.data as () => Float32Array)());
  }
}

const names = (store: CheckpointStore) => readdirSync(store.folder).sort();
const name = (step: number) => `step-${String(step).padStart(8, '0')}`;
/** An id above what Linux gives to processes. */
const deadProcess = 2 ** 22 + 1;

describe('CheckpointStore', () => {
  it('gives back what was saved', async () => {
    const store = new CheckpointStore(temporaryFolder());
    expect(store.latest()).toBeUndefined();
    expectError('ERR_FILE_MISSING', /has no checkpoint/, () => store.load());
    const saved = await store.save(100, contents(100, 3.25));
    expect(saved).toEqual({ step: 100, path: join(store.folder, 'step-00000100'), metric: 3.25 });
    expect(readdirSync(saved.path).sort()).toEqual([
      'checksums.json',
      'config.json',
      'metric.json',
      'model.safetensors',
      'state.json',
      'training.safetensors',
    ]);
    expect(store.latest()).toEqual(saved);
    expectContents(store, 100);
  });

  it('keeps the last and the best', async () => {
    const store = new CheckpointStore(temporaryFolder(), { keepLast: 2, keepBest: 1 });
    const metrics = [5, 2, 4, undefined, 3, 2];
    const kept: string[][] = [];
    for (const [i, metric] of metrics.entries()) {
      await store.save(i + 1, contents(i + 1, metric));
      kept.push(names(store));
    }
    expect(kept).toEqual([
      [name(1)],
      [name(1), name(2)],
      [name(2), name(3)],
      [name(2), name(3), name(4)],
      [name(2), name(4), name(5)],
      // As good as step 2 and newer.
      [name(5), name(6)],
    ]);
    expect(store.best()?.step).toBe(6);
  });

  it('keeps the best by metrics that came after saving', async () => {
    const store = new CheckpointStore(temporaryFolder(), { keepLast: 1, keepBest: 1 });
    const kept: string[][] = [];
    for (const [i, metric] of [3, 1, 2, Number.NaN].entries()) {
      await store.save(i, contents(i));
      kept.push(names(store));
      await store.setMetric(i, metric);
    }
    // Each survives at least until it was evaluated.
    expect(kept).toEqual([[name(0)], [name(0), name(1)], [name(1), name(2)], [name(1), name(3)]]);
    expect(store.best()).toMatchObject({ step: 1, metric: 1 });
    await store.setMetric(3, 0.5);
    expect(store.best()).toMatchObject({ step: 3, metric: 0.5 });
    expectContents(store, 3);
    await expect(store.setMetric(9, 1)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  it('counts a metric that is not a number as none', async () => {
    const store = new CheckpointStore(temporaryFolder());
    expect((await store.save(1, contents(1, Number.NaN))).metric).toBeUndefined();
    expect(store.best()).toBeUndefined();
  });

  it('orders steps as numbers, beyond eight digits too', async () => {
    const store = new CheckpointStore(temporaryFolder(), { keepLast: 9 });
    for (const step of [200_000_000, 99_999_999, 3]) await store.save(step, contents(3));
    expect(store.list().map(({ step }) => step)).toEqual([3, 99_999_999, 200_000_000]);
  });

  it('replaces a checkpoint of the same step', async () => {
    const store = new CheckpointStore(temporaryFolder());
    await store.save(7, contents(7, 1));
    const path = join(store.folder, name(7));
    await store.save(7, { ...contents(8), metric: 9 });
    expect(names(store)).toEqual([name(7)]);
    expect(store.latest()?.metric).toBe(9);
    expect(readModelFiles(path).parameters).toEqual(randomParameters(gpt2Config, 8));
  });

  it('checksums what writeModel did not mention', async () => {
    const store = new CheckpointStore(temporaryFolder());
    const writeModel = async (folder: string) => {
      writeFileSync(join(folder, 'tokenizer.json'), '{}');
      return [];
    };
    const { path } = await store.save(1, { ...contents(1), writeModel });
    verifyCheckpoint(path);
    writeFileSync(join(path, 'tokenizer.json'), '[]');
    expectError('ERR_FILE_DAMAGED', /tokenizer.json is damaged: its SHA-256/, () => verifyCheckpoint(path));
  });

  it('refuses a state that JSON would change', async () => {
    const store = new CheckpointStore(temporaryFolder());
    const save = store.save(1, { ...contents(1), state: { loss: { best: Number.POSITIVE_INFINITY } } });
    await expect(save).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: /best = Infinity/ });
    await expect(store.save(1.5, contents(1))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    expect(names(store)).toEqual([]);
    const keepNone = () => new CheckpointStore(temporaryFolder(), { keepLast: 0 });
    expectError('ERR_ARGUMENT', /keepLast is 0/, keepNone);
  });

  it('leaves the earlier ones as they were when the disk is full', async () => {
    const store = new CheckpointStore(temporaryFolder(), { keepLast: 1, keepBest: 0 });
    await store.save(1, contents(1));
    for (const step of [1, 2]) {
      const writeModel = async (folder: string) => {
        const files = await contents(step).writeModel(folder);
        writeFileSync('/dev/full', 'no room for this');
        return files;
      };
      await expect(store.save(step, { ...contents(9), writeModel })).rejects.toMatchObject({
        code: 'ERR_DISK_FULL',
        message: expect.stringContaining(name(step)),
      });
    }
    expect(names(store)).toEqual([name(1)]);
    expectContents(store, 1);
  });
});

describe('after a killed run', () => {
  it('removes what was half-written and nothing else', async () => {
    const out = temporaryFolder();
    await new CheckpointStore(out).save(1, contents(1));
    const folder = join(out, 'checkpoints');
    const left = [
      `${name(2)}.tmp-${deadProcess}`,
      `${name(1)}.tmp-${process.pid}`,
      `${name(1)}.old-${deadProcess}`,
    ];
    const stays = [`${name(3)}.tmp-1`, 'notes', `notes.tmp-${deadProcess}`];
    for (const entry of [...left, ...stays]) mkdirSync(join(folder, entry));
    const store = new CheckpointStore(out);
    // Looking is free: a run on another machine may own the folder.
    expect(store.latest()?.step).toBe(1);
    expect(names(store)).toEqual([name(1), ...left, ...stays].sort());
    expectContents(store, 1);
    expect(names(store)).toEqual([name(1), ...stays].sort());
  });

  it('puts back what was being replaced', async () => {
    const out = temporaryFolder();
    const { path } = await new CheckpointStore(out).save(1, contents(1));
    cpSync(path, `${path}.old-${deadProcess}`, { recursive: true });
    rmSync(path, { recursive: true });
    mkdirSync(`${path}.tmp-${deadProcess}`);
    const store = new CheckpointStore(out);
    expectContents(store, 1);
    expect(names(store)).toEqual([name(1)]);
  });

  it('cleans up before it saves, too', async () => {
    const out = temporaryFolder();
    const left = join(out, 'checkpoints', `${name(2)}.tmp-${deadProcess}`);
    mkdirSync(left, { recursive: true });
    const store = new CheckpointStore(out);
    await store.save(1, contents(1));
    expect(names(store)).toEqual([name(1)]);
  });

  it('changes nothing where it is opened to read only', async () => {
    const out = temporaryFolder();
    const store = new CheckpointStore(out);
    await store.save(1, contents(1));
    mkdirSync(join(store.folder, `${name(2)}.tmp-999999999`));
    const before = names(store);
    const reader = new CheckpointStore(out, { readOnly: true });
    expectContents(reader, 1);
    await expect(reader.save(3, contents(3))).rejects.toThrow(/reading only/);
    expect(names(store)).toEqual(before);
  });

  it('does not touch what this process is writing', async () => {
    const out = temporaryFolder();
    const store = new CheckpointStore(out);
    await store.save(3, contents(3));
    const writeModel = (folder: string) => {
      expectContents(new CheckpointStore(out), 3);
      return contents(4).writeModel(folder);
    };
    await store.save(4, { ...contents(4), writeModel });
    expectContents(store, 4);
  });
});

describe('a damaged checkpoint', () => {
  async function threeCheckpoints(): Promise<CheckpointStore> {
    const store = new CheckpointStore(temporaryFolder(), { keepLast: 3 });
    for (const step of [1, 2, 3]) await store.save(step, contents(step, step));
    return store;
  }

  it('is named, with the last good one', async () => {
    const store = await threeCheckpoints();
    const [first, second, third] = store.list().map(({ path }) => path) as [string, string, string];
    flipBit(join(third, 'model.safetensors'), 5000);
    const caught = caughtFrom(() => store.load());
    expect(caught).toBeInstanceOf(DamagedCheckpointError);
    expect(caught).toMatchObject({
      code: 'ERR_FILE_DAMAGED',
      message: expect.stringContaining(join(third, 'model.safetensors')),
      remedy: expect.stringContaining(second),
      offered: second,
    });
    rmSync(join(second, 'training.safetensors'));
    expect(caughtFrom(() => store.load())).toMatchObject({ offered: first });
    for (const path of [second, second.slice(-13)]) {
      expect(caughtFrom(() => store.load({ path }))).toMatchObject({
        message: expect.stringContaining('training.safetensors'),
        offered: first,
      });
    }
    expect(names(store)).toEqual([name(1), name(2), name(3)]);
    using loaded = store.load({ fallback: true });
    expect(loaded.step).toBe(1);
    expect(loaded.skipped.map(({ message }) => message)).toEqual([
      expect.stringContaining('model.safetensors is damaged: its SHA-256'),
      expect.stringContaining('training.safetensors is damaged: it is missing'),
    ]);
    // Moved aside, so that the next save and resume continue from the good one.
    expect(names(store)).toEqual([name(1), `${name(2)}.aside`, `${name(3)}.aside`]);
    expectContents(store, 1);
    expectError('ERR_FILE_MISSING', /no checkpoint step-9/, () => store.load({ path: 'step-9' }));
    writeFileSync(join(first, 'checksums.json'), '{}');
    expect(caughtFrom(() => store.load({ fallback: true }))).toMatchObject({
      code: 'ERR_FILE_DAMAGED',
      offered: undefined,
      remedy: expect.stringContaining('no other checkpoint is intact'),
    });
  });

  it('is set aside, like all after a chosen one, over an older one set aside', async () => {
    const store = await threeCheckpoints();
    store.load({ path: name(2) }).close();
    expect(names(store)).toEqual([name(1), name(2), `${name(3)}.aside`]);
    await store.save(3, contents(30));
    store.load({ path: name(2) }).close();
    expect(names(store)).toEqual([name(1), name(2), `${name(3)}.aside`]);
    expect(readModelFiles(join(store.folder, `${name(3)}.aside`)).parameters).toEqual(
      randomParameters(gpt2Config, 30),
    );
    expectContents(store, 2);
  });

  it('is not the best', async () => {
    const store = await threeCheckpoints();
    expect(store.best()?.step).toBe(1);
    const metric = join(store.folder, name(3), 'metric.json');
    const text = readFileSync(metric, 'utf8');
    for (const damaged of [text.replace('"metric":3', '"metric":0'), '', 'null']) {
      writeFileSync(metric, damaged);
      expect(store.best()?.step).toBe(1);
      expect(store.latest()).toMatchObject({ step: 3, metric: undefined });
      expectContents(store, 3);
    }
    // Nor does the metric of another checkpoint count.
    cpSync(join(store.folder, name(1), 'metric.json'), metric);
    expect(store.best()?.step).toBe(1);
  });

  it.each<[string, string, RegExp]>([
    ['empty', '', /it is empty/],
    ['null', 'null', /it is not a JSON object/],
    ['of another version', '{"version":2,"files":{}}', /its version is 2, not 1/],
    ['without files', '{"version":1}', /its list of files is damaged/],
    ['without the state', '{"version":1,"files":{}}', /it does not list state.json/],
    ['about its own folder', '{"version":1,"files":{"":{"bytes":1,"sha256":""}}}', /its list of files/],
    ['about the folder above', '{"version":1,"files":{"..":{"bytes":1,"sha256":""}}}', /its list of files/],
    ['about files elsewhere', '{"version":1,"files":{"../x":{"bytes":1,"sha256":""}}}', /its list of files/],
  ])('is one whose checksums.json is %s', async (_, text, message) => {
    const store = await threeCheckpoints();
    writeFileSync(join(store.folder, name(3), 'checksums.json'), text);
    expectError('ERR_FILE_DAMAGED', message, () => store.load());
    expectContents(store, 2, true);
  });

  it('never loads as something else, whatever bit is flipped', async () => {
    const store = new CheckpointStore(temporaryFolder());
    const { path } = await store.save(1, contents(1));
    const random = rng(3);
    let refused = 0;
    for (let round = 0; round < 300; round++) {
      const files = readdirSync(path);
      const file = join(path, files[round % files.length]!);
      const whole = readFileSync(file);
      flipBit(file, random.integer(whole.length), random.integer(8));
      try {
        // A flip in the white space of checksums.json changes nothing.
        expectContents(store, 1);
      } catch (error) {
        expect(error).toBeInstanceOf(DamagedCheckpointError);
        refused++;
      }
      writeFileSync(file, whole);
    }
    expect(refused).toBeGreaterThan(270);
    expect(existsSync(path)).toBe(true);
    expectContents(store, 1);
  });
});

function flipBit(path: string, at: number, bit = 0): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= 1 << bit;
  writeFileSync(path, bytes);
}

function caughtFrom(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    return error;
  }
  return undefined;
}
