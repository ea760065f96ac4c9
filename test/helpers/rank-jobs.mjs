// One rank of test/helpers/rank-jobs.ts: `rank-jobs.mjs LIST FOLDER`. What it found is in
// FOLDER/RANK.json.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WeightUnit } from '../../dist/comm/weight-unit.js';
import * as athanor from '../../dist/index.js';
import { native } from '../../dist/native/addon.js';

const [list, folder] = process.argv.slice(2);

/** Each plants a fault and returns what takes it away. */
const faults = {
  /** A unit comes with its elements one place further. */
  'a shard off by one element': () =>
    replace('start', (start, unit) => {
      const before = native.slice;
      native.slice = (tensor, begin, end) =>
        native.shapeOf(tensor)[0] > end ? before(tensor, begin + 1, end + 1) : before(tensor, begin, end);
      start.call(unit);
      native.slice = before;
    }),
};

function replace(method, body) {
  const before = WeightUnit.prototype[method];
  WeightUnit.prototype[method] = function (...given) {
    return body(before, this, ...given);
  };
  return () => {
    WeightUnit.prototype[method] = before;
  };
}

async function run({ command, settings, stopAt, fault }, communicator) {
  const repair = fault ? faults[fault]() : () => {};
  const stop = new AbortController();
  try {
    const { loss } = await athanor[command](settings, {
      communicator,
      signal: stop.signal,
      onEvent: (event) => event.type === 'step' && event.step === stopAt && stop.abort(),
    });
    return { loss };
  } catch (error) {
    return { code: error.code, message: error.message };
  } finally {
    repair();
  }
}

const ranks = await athanor.joinRanks();
const found = {};
for (const job of JSON.parse(readFileSync(list, 'utf8'))) found[job.name] = await run(job, ranks);
await ranks.close();
writeFileSync(join(folder, `${ranks.rank}.json`), JSON.stringify(found));
