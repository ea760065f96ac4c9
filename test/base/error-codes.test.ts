/** Every code of the table of errors is provoked for real, and its message is looked at. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { AthanorError, type ErrorCode, errorTable } from '../../src/base/errors.ts';
import { HashedFile, writeText } from '../../src/base/files/hashed-file.ts';
import { readBytes, readJson } from '../../src/base/files/read-file.ts';
import { packageRoot } from '../../src/base/package-root.ts';
import { readModelFiles } from '../../src/checkpoint/load-model.ts';
import { SafetensorsFile, writeSafetensors } from '../../src/checkpoint/safetensors.ts';
import { writeModelFiles } from '../../src/checkpoint/save-model.ts';
import { readConfig } from '../../src/cli/config-file.ts';
import { pretrain as command } from '../../src/cli/pretrain.ts';
import { native } from '../../src/native/addon.ts';
import { setDevice } from '../../src/native/engine.ts';
import { add } from '../../src/tensor/ops/elementwise.ts';
import { zeros } from '../../src/tensor/tensor.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { readRun, writeRun } from '../../src/train/loop/run-file.ts';
import { pretrain } from '../../src/train/pretrain/run.ts';
import { gpt2Config, randomParameters } from '../checkpoint/models.ts';
import { cliPath, runNode, temporaryFolder } from '../helpers/cli.ts';

/** Makes an error. A text names the file of the test that provokes it on an emulated GPU. */
type Provocation = (folder: string) => unknown;

const provocations: Record<ErrorCode, Provocation | string> = {
  ERR_ARGUMENT: (folder) => readBytes(folder),
  ERR_COMM_LOST: 'test/comm/engines.test.ts',
  ERR_COMM_SETUP: 'test/comm/join.test.ts',
  ERR_COMM_TIMEOUT: 'test/comm/engines.test.ts',
  ERR_CONFIG: (folder) => readConfig(written(folder, 'run.yaml', 'steps: {}'), command.options),
  ERR_CUDA_LIBRARY_MISSING: 'native/test/core/shared_library_test.cpp',
  ERR_CUDA_UNAVAILABLE: () => {
    if (!native.cudaStatus()[0]) setDevice('cuda');
    throw new AthanorError('ERR_CUDA_UNAVAILABLE', 'this machine has a GPU, see test/cli/program.test.ts');
  },
  ERR_DEVICE: 'test/native/mixed-devices.test.ts',
  ERR_DISK_FULL: () => writeText('/dev/full', 'text'),
  ERR_DTYPE: () => zeros([2]).toInts(),
  ERR_FILE_DAMAGED: (folder) => SafetensorsFile.open(written(folder, 'x.safetensors', 'short')),
  ERR_FILE_MISSING: (folder) => readModelFiles(folder),
  ERR_FORMAT: (folder) => readJson(written(folder, 'config.json', '{')),
  ERR_INTERNAL: (folder) =>
    HashedFile.write(join(folder, 'x'), () => Promise.reject(new TypeError('a defect in the writer'))),
  ERR_INTERRUPTED: () => Tokenizer.train(['text'], { vocabSize: 260, signal: AbortSignal.abort() }),
  ERR_IO: () => readBytes('/proc/self/mem'),
  ERR_MISMATCH: (folder) => {
    writeRun(folder, { stage: 'sft', settings: {} });
    readRun(folder, 'dpo');
  },
  ERR_NATIVE_LOAD: async (folder) => {
    const engine = written(folder, 'athanor.node', 'no engine');
    const args = [cliPath, 'tokenizer', 'decode', '--tokenizer', folder, '1'];
    const { stderr, code } = await runNode(args, { env: { ATHANOR_NATIVE: engine } });
    expect(code).toBe(1);
    const [, message, errorCode] = /^error: ([\s\S]*?) \[(ERR_\w+)\]/m.exec(stderr) ?? [];
    throw new AthanorError(errorCode as ErrorCode, message!);
  },
  ERR_NOT_FINITE: async (folder) => {
    await writeModelFiles(folder, { config: gpt2Config, parameters: randomParameters(gpt2Config) });
    const path = join(folder, 'model.safetensors');
    const bytes = readFileSync(path);
    bytes.writeUInt32LE(0x7fc00000, bytes.length - 8);
    writeFileSync(path, bytes);
    readModelFiles(folder);
  },
  ERR_OPTION: (folder) => pretrain({ out: join(folder, 'run'), data: 'x', model: 'tiny' }),
  ERR_OUT_OF_MEMORY: () => {
    native.setMemoryLimit(1 << 20);
    try {
      zeros([1 << 20]);
    } finally {
      native.setMemoryLimit(0);
    }
  },
  ERR_RANK_FAILED: 'test/comm/together.test.ts',
  ERR_SHAPE: () => add(zeros([2]), zeros([3])),
  ERR_STATE: async (folder) => {
    const path = join(folder, 'y.safetensors');
    await writeSafetensors(path, [['t', { dtype: 'f32', shape: [1], data: new Float32Array(1) }]]);
    const file = SafetensorsFile.open(path);
    file.close();
    file.read('t');
  },
};

function written(folder: string, name: string, text: string): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

it('the table has no other codes', () => {
  expect(Object.keys(provocations).sort()).toEqual(Object.keys(errorTable).sort());
});

it.each(Object.entries(provocations))('%s', async (code, provoke) => {
  if (typeof provoke === 'string') {
    expect(readFileSync(join(packageRoot, provoke), 'utf8')).toContain(code);
    return;
  }
  const folder = temporaryFolder();
  const error = await Promise.resolve(folder)
    .then(provoke)
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  expect(error).toBeInstanceOf(AthanorError);
  expect(error).toMatchObject({ code });
  const { message } = error as AthanorError;
  expect(message.length).toBeGreaterThan(15);
  expect(message).not.toMatch(/undefined|\[object|\bE[A-Z]{3,}:/);
});
