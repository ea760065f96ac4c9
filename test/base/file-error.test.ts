/** What the operating system refuses, for real, and what the message says of it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AthanorError, fileError } from '../../src/base/errors.ts';
import { readBytes } from '../../src/base/files/read-file.ts';
import { replaceFile } from '../../src/base/files/replace-file.ts';
import { loadModel } from '../../src/checkpoint/gpt-folder.ts';
import { ModelFolder, requireFolder } from '../../src/checkpoint/load-model.ts';
import { writeModelFiles } from '../../src/checkpoint/save-model.ts';
import { FolderLock } from '../../src/native/folder-lock.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { randomParameters } from '../checkpoint/models.ts';
import { athanor, cliPath, temporaryFolder } from '../helpers/cli.ts';

function errorOf(call: () => unknown): AthanorError {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(AthanorError);
    return error as AthanorError;
  }
  throw new Error('nothing was thrown');
}

describe('the operating system', () => {
  it('says what is wrong with a path', () => {
    const folder = temporaryFolder();
    const file = join(folder, 'file');
    writeFileSync(file, '');
    symlinkSync('loop', join(folder, 'loop'));
    expect(errorOf(() => readBytes(join(file, 'x'))).message).toContain(
      'there is a file where a folder must be',
    );
    expect(errorOf(() => FolderLock.take(file))).toMatchObject({
      code: 'ERR_ARGUMENT',
      message: `cannot make ${file}: there is a file where a folder must be`,
    });
    expect(errorOf(() => readBytes(join(folder, 'x'.repeat(300)))).message).toContain('the name is too long');
    expect(errorOf(() => readBytes(join(folder, 'loop'))).message).toContain(
      'symbolic links lead in a circle',
    );
    const missing = join(folder, 'missing', 'out.txt');
    expect(errorOf(() => replaceFile(missing, 'x'))).toMatchObject({
      code: 'ERR_FILE_MISSING',
      message: `cannot write ${missing}: the folder ${join(folder, 'missing')} does not exist`,
    });
    expect(errorOf(() => readBytes(missing)).message).toBe(`${missing} does not exist`);
    expect(errorOf(() => readBytes('a\0b'))).toMatchObject({ code: 'ERR_ARGUMENT' });
    expect(errorOf(() => readBytes('/proc/self/mem')).message).toContain('the device reports a fault');
  });

  // Containers often forbid mounts.
  it.runIf(spawnSync('unshare', ['-Urm', 'true']).status === 0)('says that a disk is read-only', () => {
    const folder = temporaryFolder();
    const script = 'mount -t tmpfs -o ro none "$1" && exec "$2" "$3" tokenizer train "$0" --out "$1/a/b"';
    const text = join(temporaryFolder(), 'text.txt');
    writeFileSync(text, 'some text, some more text\n'.repeat(9));
    const args = ['-Urm', 'sh', '-c', `${script} --vocab-size 260`, text, folder, process.execPath, cliPath];
    const { stderr } = spawnSync('unshare', args, { encoding: 'utf8' });
    expect(stderr).toMatch(/the file system is read-only \[ERR_IO\]\n {2}name a folder elsewhere/);
  });

  it('says that too many files are open, wherever that happens', () => {
    const error = Object.assign(new Error("EMFILE: too many open files, open 'x'"), {
      ...{ code: 'EMFILE', syscall: 'open', path: 'x' },
    });
    expect(fileError(error, 'x')).toMatchObject({
      code: 'ERR_IO',
      remedy: 'raise the limit: ulimit -n 4096',
    });
    const script = 'ulimit -n 21; exec "$0" "$1" tokenizer decode --tokenizer nowhere 1';
    const { stderr } = spawnSync('sh', ['-c', script, process.execPath, cliPath], { encoding: 'utf8' });
    expect(stderr).not.toContain('ERR_INTERNAL');
  });
});

describe('an error', () => {
  it('has a message of a few thousand characters at most, with its beginning and its end', () => {
    const { message } = new AthanorError('ERR_FORMAT', `begin ${'x'.repeat(1e7)} end`);
    expect(message.length).toBeLessThan(4001);
    expect(message).toMatch(/^begin x.*\[9996\d{3} characters are left out here\].*x end$/);
  });
});

describe('a folder that is no model', () => {
  it('is named: an adapter with its base, other formats with the way to convert them', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'adapter_config.json'), '{"base_model_name_or_path": "org/base"}');
    for (const load of [() => Tokenizer.load(folder), () => loadModel(folder)]) {
      const { code, message, remedy } = errorOf(load);
      expect(code).toBe('ERR_FORMAT');
      expect(message).toContain('holds an adapter of the model "org/base", not a whole model');
      expect(remedy).toContain('merge_and_unload');
    }
    const gguf = temporaryFolder();
    writeFileSync(join(gguf, 'model-q4.gguf'), '');
    expect(errorOf(() => loadModel(gguf))).toMatchObject({
      message: expect.stringContaining('but model-q4.gguf'),
      remedy: expect.stringContaining(`athanor convert --model ${join(gguf, 'model-q4.gguf')} --out `),
    });
    const file = join(temporaryFolder(), 'model.gguf');
    writeFileSync(file, 'GGUF\x03\0\0\0');
    for (const read of [() => loadModel(file), () => ModelFolder.open(file), () => Tokenizer.load(file)]) {
      expect(errorOf(read)).toMatchObject({
        code: 'ERR_FORMAT',
        message: `${file} is a GGUF file, not the folder of a model`,
        remedy: expect.stringContaining(`npx athanor convert --model ${file} --out `),
      });
    }
    const old = temporaryFolder();
    writeFileSync(join(old, 'vocab.json'), '');
    expect(errorOf(() => Tokenizer.load(old)).remedy).toContain('AutoTokenizer');
  });

  it('is named: a file', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'data'));
    const file = join(folder, 'model.safetensors');
    writeFileSync(file, Buffer.from([8, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d]));
    expect(errorOf(() => Tokenizer.load(file)).message).toContain('is a file, and not a tokenizer.json');
    expect(errorOf(() => requireFolder(file)).message).toContain('is a file');
    const rows = join(folder, 'rows.jsonl');
    writeFileSync(rows, '{"prompt": "a", "completion": "b"}\n');
    const { stderr } = await athanor('sft', '--model', file, '--data', rows, '--out', join(folder, 'out'));
    expect(stderr).toMatch(/model\.safetensors is a file \[ERR_ARGUMENT\]\n {2}name the folder of the model/);
  });
});

it('heads of a size that cannot be computed are refused when the model is loaded', async () => {
  const shape = { layers: 1, heads: 2, kvHeads: 1, headDim: 12, hiddenSize: 24, intermediateSize: 16 };
  const config = presetConfig('llama-tiny', shape);
  const folder = temporaryFolder();
  await writeModelFiles(folder, { config, parameters: randomParameters(config) });
  const { code, message } = errorOf(() => loadModel(folder));
  expect(code).toBe('ERR_CONFIG');
  expect(message).toMatch(/config\.json: heads have 12 numbers, and only multiples of 8 up to 256/);
});
