import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { athanor, cliPath, lastLineJson, runNode, temporaryFolder } from '../helpers/cli.ts';

const source = join(packageRoot, 'node_modules/node-gyp/CHANGELOG.md');

describe('athanor tokenizer', () => {
  it('trains, encodes and decodes', async () => {
    const out = join(temporaryFolder(), 'tokenizer');
    const trained = await athanor(
      'tokenizer',
      'train',
      source,
      '--vocab-size',
      '1k',
      '--special-token',
      '<|pad|>',
      '--out',
      out,
      '--json',
    );
    expect(trained).toMatchObject({ code: 0, stderr: '' });
    const tokenizer = Tokenizer.load(out);
    expect(lastLineJson(trained.stdout)).toMatchObject({
      vocab_size: 1000,
      fingerprint: tokenizer.fingerprint(),
      out,
    });
    expect([...tokenizer.specialTokens.keys()]).toEqual(['<|endoftext|>', '<|pad|>']);

    const text = 'Fixed: the build on Windows \u{1f525}<|pad|>\r\n';
    const fromArgument = await athanor('tokenizer', 'encode', '--tokenizer', out, text, '--json');
    const ids = lastLineJson(fromArgument.stdout).ids as number[];
    expect(ids).toEqual(Array.from(tokenizer.encode(text)));
    const fromInput = await runNode([cliPath, 'tokenizer', 'encode', '--tokenizer', out], { input: text });
    expect(fromInput.stdout).toBe(`${ids.join(' ')}\n`);
    const special = await athanor(
      'tokenizer',
      'encode',
      '--tokenizer',
      out,
      text,
      '--allow-special',
      '--json',
    );
    expect(lastLineJson(special.stdout).ids).toContain(999);

    const decoded = await athanor('tokenizer', 'decode', '--tokenizer', out, ...ids.map(String), '--json');
    expect(lastLineJson(decoded.stdout)).toEqual({ text, tokens: ids.length });
    const piped = await runNode([cliPath, 'tokenizer', 'decode', '--tokenizer', out], {
      input: JSON.stringify(ids),
    });
    expect(piped.stdout).toBe(`${text}\n`);
  });

  it('learns from several files what it learns from their texts', async () => {
    const folder = temporaryFolder();
    const files = ['a.txt', 'b.txt'].map((name) => join(folder, name));
    writeFileSync(files[0]!, '\ufeffone two three four one two three four');
    writeFileSync(files[1]!, 'one two three');
    const run = await athanor(
      'tokenizer',
      'train',
      ...files,
      '--vocab-size',
      '280',
      '--pattern',
      'gpt4',
      '--out',
      join(folder, 't'),
      '--json',
    );
    const expected = await Tokenizer.train(['one two three four one two three four', 'one two three'], {
      vocabSize: 280,
      pattern: 'gpt4',
    });
    expect(lastLineJson(run.stdout)).toMatchObject({ fingerprint: expected.fingerprint() });
  });

  it.each([
    ['no such file', undefined, /does not exist/],
    ['empty', '', /is empty/],
    ['binary', 'a\nb\nc\0d\n', /text:3: holds a zero byte/],
    ['not UTF-8', Buffer.from('one\ntw\xf6\n', 'latin1'), /text:2: is not UTF-8/],
  ])('names a file that is %s and writes nothing', async (_, content, message) => {
    const folder = temporaryFolder();
    const file = join(folder, 'text');
    if (content !== undefined) writeFileSync(file, content);
    const { code, stdout, stderr } = await athanor('tokenizer', 'train', file, '--out', join(folder, 'out'));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(file);
    expect(stderr).toMatch(message);
    expect(existsSync(join(folder, 'out'))).toBe(false);
  });

  it('gives no text for ids of standard input that have no token, as a model may draw them', async () => {
    const out = temporaryFolder();
    (await Tokenizer.train(['some text to learn from'], { vocabSize: 260 })).save(out);
    const input = `${Tokenizer.load(out).encode('text').join(' ')} 99999`;
    const { code, stdout } = await runNode([cliPath, 'tokenizer', 'decode', '--tokenizer', out], { input });
    expect({ code, stdout: stdout.trim() }).toEqual({ code: 0, stdout: 'text' });
  });

  it.each([
    [['decode', '1', 'x2'], /expected ids but got "x2"/],
    [['decode', '99999'], /99999/],
  ])('refuses %j', async (args, message) => {
    const out = temporaryFolder();
    (await Tokenizer.train(['some text to learn from'], { vocabSize: 260 })).save(out);
    const { code, stderr } = await athanor('tokenizer', ...args, '--tokenizer', out);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
    expect(stderr).toContain('ERR_ARGUMENT');
  });
});
