import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writeChatModel } from '../helpers/chat-model.ts';
import { athanor, lastLineJson, temporaryFolder } from '../helpers/cli.ts';
import { jsonl } from '../helpers/stages.ts';

it('safety check says what each category finds in a text, a file, or of the policy alone', async () => {
  const folder = temporaryFolder();
  const safety = join(folder, 'policy.yaml');
  writeFileSync(
    safety,
    'categories:\n  made: { words: [blorp] }\n  other: { words: [quib], action: flag }\n',
  );
  const check = (...args: string[]) => athanor('safety', 'check', ...args, '--safety', safety);
  expect((await check()).stdout).toBe(
    'the policy is valid; words and phrases: 2, patterns: 0\n' +
      '  made (refuse on prompt and response)\n  other (flag on prompt and response)\n',
  );
  const found = await check('A BLORP.', '--json');
  expect(found).toMatchObject({ code: 0, stderr: '' });
  expect(lastLineJson(found.stdout)).toMatchObject({
    flagged: true,
    categories: [
      { name: 'made', flagged: true, score: 1 },
      { name: 'other', flagged: false, score: 0 },
    ],
  });
  writeFileSync(join(folder, 'text'), 'harmless');
  expect((await check('--file', join(folder, 'text'))).stdout).toMatch(/^nothing found;/);
  expect(await check('a', '--file', 'b')).toMatchObject({ code: 2 });
  writeFileSync(safety, 'categories:\n  made: { word: [blorp] }\n');
  const wrong = await check();
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toMatch(/policy\.yaml line 2: "categories\.made\.word": .*did you mean "words"\?/s);
});

it('safety train makes a folder that safety check takes as a classifier', async () => {
  const folder = temporaryFolder();
  const model = join(folder, 'model');
  (await writeChatModel(model, { contextLength: 64 })).dispose();
  const rows = Array.from({ length: 40 }, (_, i) => ({ text: `Name a colour. ${i}`, label: i % 2 }));
  const data = jsonl(folder, 'rows.jsonl', rows);
  const out = join(folder, 'classifier');
  const run = ['--model', model, '--data', data, '--out', out, '--steps', '2', '--threads', '1'];
  const trained = await athanor('safety', 'train', ...run);
  expect(trained.code).toBe(0);
  expect(trained.stdout).toMatch(/^2 steps, loss .*\nthreshold 0\.\d{4}.*\nmodel and report in /);
  expect(existsSync(join(out, 'classifier.json'))).toBe(true);
  const safety = join(folder, 'policy.yaml');
  writeFileSync(safety, 'categories: { made: { classifier: { model: classifier, threshold: 0 } } }');
  const args = ['safety', 'check', 'Blue.', '--safety', safety, '--device', 'cpu', '--threads', '1'];
  expect((await athanor(...args)).stdout).toMatch(/^flagged; .*\n {2}made .*: found, score 0\.\d{4}\n$/);
});
