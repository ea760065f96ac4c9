#!/usr/bin/env node
// `check-families.mjs PYTHON...`: writes a folder of each recorded family, and opens it with each
// of these Pythons, which have torch and transformers: without a warning, and with the logits that
// Athanor computes. Prints what docs/models.md has in a table. Exits 1 when anything differs.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadModel, noGrad, saveModel, scope, setDevice, tensor } from '../dist/index.js';

const TOLERANCE = 2e-5;
const fixtures = fileURLToPath(new URL('../test/fixtures/torch', import.meta.url));
const checker = fileURLToPath(new URL('check-families.py', import.meta.url));

const pythons = process.argv.slice(2);
if (pythons.length === 0) throw new Error('name one Python with torch and transformers, or several');
setDevice('cpu', { dtype: 'f32' });

const root = mkdtempSync(join(tmpdir(), 'athanor-families-'));
let isWrong = false;
try {
  const names = readdirSync(fixtures).filter((name) => existsSync(join(fixtures, name, 'final.safetensors')));
  for (const name of names) await write(name);
  writeFileSync(join(root, 'names.json'), JSON.stringify(names));
  const columns = pythons.map((python) => check(python));
  print(names, columns);
} finally {
  rmSync(root, { recursive: true, force: true });
}
process.exit(isWrong ? 1 : 0);

/** The folder of a family as Athanor writes it, and its logits of a few tokens. */
async function write(name) {
  const model = loadModel(join(fixtures, name));
  const folder = join(root, name);
  await saveModel(folder, model);
  const ids = Array.from({ length: 24 }, (_, i) => (i * 37 + 11) % model.config.vocabSize);
  const logits = noGrad(() =>
    scope(() => {
      const input = {
        tokens: tensor(Int32Array.from(ids)),
        positions: tensor(Int32Array.from(ids, (_, i) => i)),
        cuSeqlens: tensor(Int32Array.of(0, ids.length)),
      };
      return model.logits(model.forward(input)).toFloats();
    }),
  );
  writeFileSync(join(root, `${name}.json`), JSON.stringify({ ids, logits: [...logits] }));
  model.dispose();
}

/** What one Python says of each folder. */
function check(python) {
  const { status, stdout, stderr } = spawnSync(python, [checker, root], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${python} failed:\n${stderr}`);
  return JSON.parse(stdout.slice(stdout.lastIndexOf('\n{') + 1));
}

function print(names, columns) {
  const heads = columns.flatMap(({ transformers }) => [`transformers ${transformers}`, 'largest difference']);
  console.log(`| recorded family | class | ${heads.join(' | ')} |`);
  console.log(`| --- | --- | ${heads.map(() => '---').join(' | ')} |`);
  for (const name of names) {
    const cells = columns.flatMap(({ families }) => {
      const { problems, difference } = families[name];
      const isFar = !(difference <= TOLERANCE);
      isWrong ||= isFar || problems.length > 0;
      return [problems.length > 0 ? problems.join('; ') : 'opens', difference.toExponential(1)];
    });
    console.log(`| \`${name}\` | ${columns[0].families[name].class} | ${cells.join(' | ')} |`);
  }
}
