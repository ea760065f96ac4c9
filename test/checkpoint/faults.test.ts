/** Real faults: processes killed while they save, and a file system that is really full. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AthanorError } from '../../src/base/errors.ts';
import { packageRoot } from '../../src/base/package-root.ts';
import { type ModelFiles, readModelFiles } from '../../src/checkpoint/load-model.ts';
import { CheckpointStore } from '../../src/checkpoint/store.ts';
import { temporaryFolder } from '../helpers/cli.ts';
import { rng } from '../helpers/reference.ts';

const child = join(packageRoot, 'test/checkpoint/saving-child.mjs');

/**
 * Starts the child, lets it report `reports` times and kills it `delay` ms later. Returns
 * its last report.
 */
function killed(args: string[], reports: number, delay: number): Promise<number> {
  const saving = spawn(process.execPath, [child, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let last = 0;
  let seen = 0;
  let complaint = '';
  saving.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  saving.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = text.trim().split('\n');
    last = Number(lines.at(-1));
    if (seen < reports && seen + lines.length >= reports) setTimeout(() => saving.kill('SIGKILL'), delay);
    seen += lines.length;
  });
  return new Promise((resolve, reject) => {
    saving.on('close', (code, signal) => {
      if (signal === 'SIGKILL') resolve(last);
      else reject(new Error(`the child ended by itself, ${code}: ${complaint}`));
    });
  });
}

/** The one number that all of a model's weights and its configuration hold. */
function commonValue({ config, parameters }: ModelFiles): number {
  for (const { data } of parameters.values()) {
    expect(data.every((value) => value === config.normEps)).toBe(true);
  }
  return config.normEps;
}

describe('SIGKILL', () => {
  it('leaves the old or the new checkpoint, whole', async () => {
    const out = temporaryFolder();
    const random = rng(Date.now());
    const unfinished: string[] = [];
    let before = 0;
    for (let round = 0; round < 10; round++) {
      const step = await killed(['checkpoints', out, '300000'], 1 + random.integer(3), random.uniform() * 25);
      unfinished.push(...readdirSync(join(out, 'checkpoints')).filter((name) => name.includes('.')));
      const store = new CheckpointStore(out);
      using loaded = store.load();
      expect([step, step + 1]).toContain(loaded.step);
      expect(loaded.step).toBeGreaterThan(before);
      const { value } = loaded.state as { value: number };
      expect(Math.floor(value / 1000)).toBe(loaded.step);
      expect(commonValue(readModelFiles(loaded.path))).toBe(value);
      for (const name of loaded.tensors.tensors.keys()) {
        expect((loaded.tensors.read(name).data as Float32Array).every((x) => x === value)).toBe(true);
      }
      expect(readdirSync(store.folder).every((name) => /^step-\d{8}$/.test(name))).toBe(true);
      before = loaded.step;
    }
    expect(unfinished.length, 'no kill hit a save').toBeGreaterThan(0);
  });

  it('leaves the old model folder, the new one, or one without weights', async () => {
    const folder = temporaryFolder();
    const random = rng(Date.now());
    for (let round = 0; round < 10; round++) {
      const turn = await killed(['models', folder, '0'], 1 + random.integer(3), random.uniform() * 8);
      try {
        expect([turn, turn + 1]).toContain(commonValue(readModelFiles(folder)));
      } catch (error) {
        if (!(error instanceof AthanorError)) throw error;
        expect(error.code).toBe('ERR_FILE_MISSING');
        expect(existsSync(join(folder, 'model.safetensors'))).toBe(false);
      }
    }
  });
});

/**
 * Runs a script with a file system of `size` bytes mounted at `folder`, where this machine lets us.
 */
function onSmallDisk(folder: string, size: string, script: string): ReturnType<typeof spawnSync> {
  const mount = 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"';
  const args = ['-Urm', 'sh', '-c', mount, 'sh', size, folder];
  return spawnSync('unshare', [...args, process.execPath, '--input-type=module', '-e', script, folder], {
    encoding: 'utf8',
  });
}

// Containers often forbid it; writes to /dev/full, in store.test.ts, stand for it there.
const canMount = onSmallDisk(tmpdir(), '64k', '').status === 0;

describe.runIf(canMount)('a disk that is full', () => {
  it('keeps the checkpoint that is on it and says so', () => {
    const script = `
      import { CheckpointStore } from '${packageRoot}/dist/checkpoint/store.js';
      import { readdirSync } from 'node:fs';
      const store = new CheckpointStore(process.argv[1], { keepLast: 1 });
      const save = (step, floats) => store.save(step, {
        writeModel: async () => [],
        tensors: [['t', { dtype: 'f32', shape: [floats], data: new Float32Array(floats).fill(step) }]],
        state: { step },
      });
      await save(1, 100_000);
      const error = await save(2, 1_000_000).catch((e) => e);
      // The room that the failed one took is free again.
      await save(3, 100_000);
      const loaded = store.load();
      console.log(JSON.stringify([error.code, error.message, readdirSync(store.folder), loaded.state]));
    `;
    const result = onSmallDisk(temporaryFolder(), '2m', script);
    expect(result.stderr).toBe('');
    const [code, message, names, state] = JSON.parse(String(result.stdout));
    expect(code).toBe('ERR_DISK_FULL');
    expect(message).toMatch(/the disk is full: cannot write .*step-00000002.*training.safetensors/);
    expect(names).toEqual(['step-00000003']);
    expect(state).toEqual({ step: 3 });
  });
});
