// npm run demo:improve: three seeds of a whole round, then a poisoned one.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../process.mjs';
import { prepare } from '../start.mjs';
import { makeAssistant, prefersSentences } from './assistant.mjs';
import { demoRound } from './round.mjs';

const size = {
  ...{ people: 24, each: 20, mistaken: 0.1, maxTokens: 24, unseen: 400, flood: 600 },
  ...{ tokens: 600_000, tuningSteps: 400 },
};

/** Settings of the rounds; everything else has its default. */
const improve = {
  maxTokens: 24,
  stages: {
    dpo: { epochs: 3, batchSize: 16, lr: 1e-4, warmupSteps: 5 },
    judge: { epochs: 4, batchSize: 16, lr: 3e-4, warmupSteps: 5 },
  },
};

export async function demo(args) {
  await prepare();
  await runDemo(args);
}

/** The demonstration itself, with the build that is there. */
export async function runDemo(args) {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string', default: '1,2,3' },
      out: { type: 'string', default: join(root, 'runs/demo-improve') },
    },
  });
  const athanor = await import(join(root, 'dist/index.js'));
  const startedAt = performance.now();
  const { assistant, isRight, asksOf, unseenOf } = await makeAssistant(athanor, {
    ...size,
    folder: values.out,
    seed: 0,
  });
  const say = (line) => process.stdout.write(`${line}\n`);
  say(`assistant after ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
  const run = (name, seed, more = {}) =>
    once(join(values.out, name), (folder) =>
      demoRound(athanor, {
        ...{ ...size, folder, assistant, seed, improve, prefers: prefersSentences, isRight },
        ...{ asks: asksOf(seed), unseen: unseenOf(seed).slice(0, size.unseen), flood: 0, ...more },
      }),
    );
  HEADER.forEach(say);
  const rows = [];
  for (const seed of values.seeds.split(',').map(Number)) {
    rows.push([`seed ${seed}`, await run(`seed-${seed}`, seed)]);
    say(line(...rows.at(-1)));
  }
  const { flood } = size;
  rows.push([`seed 1, ${flood} wrong votes of one sender`, await run('flood', 1, { flood })]);
  say(line(...rows.at(-1)));
  const unlimited = { ...improve, rows: { floodLeast: 10 * flood, unreliableLeast: 10 * flood } };
  rows.push([
    'the same without limits of senders',
    await run('flood-unlimited', 1, { flood, improve: unlimited }),
  ]);
  say(line(...rows.at(-1)));
  const changes = rows.slice(0, -2).map(([, { change }]) => change.difference);
  const all = athanor.meanInterval(changes);
  say(
    `mean rise over ${changes.length} seeds ${points(all.mean)} [${points(all.low)}, ${points(all.high)}] points`,
  );
  say(`${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
}

/** The result of a part, from its file where it was run before. */
async function once(folder, run) {
  const file = join(folder, 'result.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const result = await run(folder);
  writeFileSync(file, `${JSON.stringify(result, undefined, 2)}\n`);
  return result;
}

const HEADER = [
  '| round | preferred before | after | rise | right answers | outcome | gates |',
  '| --- | --- | --- | --- | --- | --- | --- |',
];

function line(name, { before, after, change, rightBefore, rightAfter, report }) {
  const gates = report.gates.filter(({ status }) => status !== 'unmeasured');
  const fallen = gates.filter(({ status }) => status === 'fell').map((gate) => gate.name);
  const cells = [
    ...[name, points(before), points(after)],
    `${points(change.difference)} [${points(change.low)}, ${points(change.high)}]`,
    ...[`${points(rightBefore)}, ${points(rightAfter)}`, report.outcome],
    fallen.length > 0 ? `${fallen.join(', ')} fell` : `${gates.length} passed`,
  ];
  return `| ${cells.join(' | ')} |`;
}

function points(share) {
  return (100 * share).toFixed(1);
}
