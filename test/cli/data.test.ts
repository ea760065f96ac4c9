import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readmes } from '../data/corpora.ts';
import { athanor, lastLineJson, temporaryFolder } from '../helpers/cli.ts';

it('prepares text, says what it dropped, and shows what is in the shards', async () => {
  const folder = temporaryFolder();
  const lines = join(folder, 'lines.jsonl');
  writeFileSync(lines, '{"text":"one line to keep"}\nnot json\n'.concat('{"other":1}\n'.repeat(12)));
  const out = join(folder, 'shards');
  const args = [...readmes, lines, '--out', out, '--vocab-size', '600', '--part-bytes', '2k'];
  const prepared = await athanor('data', 'prepare', ...args, '--json');
  expect(prepared.stderr).toContain(`dropped ${lines}:2: not JSON`);
  expect(prepared.stderr.match(/without the field/g)).toHaveLength(10);
  expect(prepared.stderr).toContain(`more are in ${out}/dropped.jsonl`);
  expect(prepared.code).toBe(0);
  const bytes = [...readmes.map((file) => readFileSync(file).length), 16].reduce((a, b) => a + b);
  const report = lastLineJson(prepared.stdout);
  expect(report).toMatchObject({ bytes, vocab_size: 600, dropped: { bad_json: 1, missing_field: 12 }, out });
  expect(report.documents).toBe((report.train_documents as number) + (report.validation_documents as number));

  const inspected = await athanor('data', 'inspect', out, '--documents', '4', '--json');
  const { documents, train, validation, verified } = lastLineJson(inspected.stdout) as {
    documents: { text: string }[];
    train: { bytes: number };
    validation: { bytes: number };
    verified: boolean;
  };
  expect(verified).toBe(true);
  expect(train.bytes + validation.bytes).toBe(bytes);
  const all = readmes.map((file) => readFileSync(file, 'utf8')).join('');
  expect(documents).toHaveLength(4);
  for (const { text } of documents) expect(all).toContain(text.replace(/\ufffd$/, ''));

  const again = await athanor('data', 'prepare', ...args);
  expect(again.code).not.toBe(0);
  expect(again.stderr).toContain(`${out} exists already`);
  const shard = join(out, 'train-00000.bin');
  const damaged = readFileSync(shard);
  damaged.writeUInt8(damaged[99]! ^ 1, 99);
  writeFileSync(shard, damaged);
  const refused = await athanor('data', 'inspect', out);
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('train-00000.bin: its contents differ from their checksum');
  expect((await athanor('data', 'inspect', out, '--no-verify')).stdout).toContain('checksums not compared');
});
