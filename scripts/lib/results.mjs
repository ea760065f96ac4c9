import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root, run } from './process.mjs';
import { prepare } from './start.mjs';

export async function results(args) {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string', default: '1,2,3' },
      out: { type: 'string', default: join(root, 'runs/results') },
    },
  });
  const seeds = values.seeds.split(',').map(Number);
  if (seeds.length < 2 || seeds.some((seed) => !Number.isInteger(seed) || seed < 0)) {
    throw new Error(`--seeds expects at least two whole numbers with commas between, not ${values.seeds}`);
  }
  await prepare();
  const found = [];
  for (const seed of seeds) {
    const folder = join(values.out, `seed-${seed}`);
    const file = join(folder, 'result.json');
    if (!existsSync(file)) {
      rmSync(folder, { recursive: true, force: true });
      const command = [join(root, 'dist/cli/main.js'), 'quickstart', '--seed', `${seed}`, '--out', folder];
      const { code } = await run(process.execPath, command);
      if (code !== 0) throw new Error(`the run with seed ${seed} failed`);
    }
    found.push(JSON.parse(readFileSync(file, 'utf8')));
  }
  const { resultsPage } = await import(join(root, 'dist/quickstart/results.js'));
  writeFileSync(join(root, 'docs/results.md'), resultsPage(found));
  process.stdout.write('docs/results.md written\n');
}
