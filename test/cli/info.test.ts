/** `athanor info --model`, and `athanor generate` on the same folder: where its texts end. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { saveModel } from '../../src/checkpoint/gpt-folder.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { athanor, lastLineJson, temporaryFolder } from '../helpers/cli.ts';

it('an id that only config.json names ends a text, and info says so', async () => {
  const folder = temporaryFolder();
  const tokenizer = await Tokenizer.train(['Name a colour. Blue. Red. '.repeat(9)], { vocabSize: 280 });
  tokenizer.save(folder);
  const model = new Gpt(presetConfig('tiny', { vocabSize: 280, contextLength: 64 }), { seed: 1 });
  await saveModel(folder, model);
  model.dispose();
  const generate = async () => {
    const options = ['--temperature', '0', '--max-tokens', '8', '--json'];
    const { stdout } = await athanor('generate', '--model', folder, 'Name', ...options);
    return (lastLineJson(stdout).completions as { text: string; tokens: number; finish: string }[])[0]!;
  };
  const endless = await generate();
  expect(endless).toMatchObject({ tokens: 8, finish: 'length' });
  const end = tokenizer.eosId!;
  const [first] = tokenizer.encode(endless.text);
  const path = join(folder, 'config.json');
  const config = { ...JSON.parse(readFileSync(path, 'utf8')), eos_token_id: [first, end] };
  writeFileSync(path, JSON.stringify(config));
  expect(await generate()).toMatchObject({ tokens: 1, finish: 'stop' });

  const { model: described } = lastLineJson((await athanor('info', '--model', folder, '--json')).stdout) as {
    model: { roles: object[] };
  };
  const tokenizerConfig = join(folder, 'tokenizer_config.json');
  expect(described.roles).toEqual([
    { role: 'bos', tokens: [], source: null },
    {
      role: 'eos',
      tokens: [
        { id: first, token: tokenizer.tokenOf(first!) },
        { id: end, token: '<|endoftext|>' },
      ],
      source: path,
    },
    { role: 'pad', tokens: [{ id: end, token: '<|endoftext|>' }], source: tokenizerConfig },
  ]);
  const { stdout } = await athanor('info', '--model', folder);
  expect(stdout).toContain(`${end} "<|endoftext|>", by ${path}`);
  expect(stdout).toContain('begins a text     nothing says');
});
