// One rank of test/helpers/rank-jobs.ts: `rank-jobs.mjs LIST FOLDER`. What it found is in
// FOLDER/RANK.json.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WeightUnit } from '../../dist/comm/weight-unit.js';
import {
  classifier,
  dpo,
  Gpt,
  grpo,
  joinRanks,
  kto,
  ppo,
  pretrain,
  reward,
  sft,
  Trainer,
  tensor,
} from '../../dist/index.js';
import { native } from '../../dist/native/addon.js';
import { setDevice, setThreads } from '../../dist/native/engine.js';

const [list, folder] = process.argv.slice(2);

/** Changes what all ranks gather as one unit. */
function spoiled(communicator, spoil) {
  return new Proxy(communicator, {
    get(target, key) {
      if (key !== 'allGather')
        return typeof target[key] === 'function' ? target[key].bind(target) : target[key];
      return (input, output, name) =>
        name === 'weights 1' ? spoil(target, input, output, name) : target.allGather(input, output, name);
    },
  });
}

/** Each makes a communicator with a fault, or plants one in the code. */
const faults = {
  'a shard that is off by one element': (communicator) =>
    spoiled(communicator, (target, input, output, name) => {
      const work = target.allGather(input, output, name);
      const shift = () => {
        const values = output.read();
        output.write(values.map((_, i) => values[(i + 1) % values.length]));
      };
      return {
        wait: () => work.wait().then(shift),
        block: () => {
          work.block();
          shift();
        },
      };
    }),
  'a gather that is skipped': (communicator) =>
    spoiled(communicator, (_target, _input, output) => {
      output.write(output.read().fill(0));
      return { wait: async () => {}, block: () => {} };
    }),
  'a tied weight that is freed before its last use': (communicator) => {
    const { start, drop } = WeightUnit.prototype;
    const gone = new Set();
    WeightUnit.prototype.drop = function () {
      if (this.bytes > 0) gone.add(this);
      drop.call(this);
    };
    WeightUnit.prototype.start = function () {
      if (!gone.has(this)) start.call(this);
    };
    repairs.push(() => Object.assign(WeightUnit.prototype, { start, drop }));
    return communicator;
  },
};
const repairs = [];

const commands = { classifier, dpo, grpo, kto, ppo, pretrain, reward, sft };

async function runStage({ command, settings, stopAt, fault }, ranks) {
  const stop = new AbortController();
  let held = '';
  try {
    const { loss } = await commands[command](settings, {
      communicator: fault ? faults[fault](ranks) : ranks,
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === 'step' && event.step === stopAt) stop.abort();
        if (event.type === 'note' && event.text.includes('each holds')) held = event.text;
      },
    });
    return { loss, held };
  } catch (error) {
    return { code: error.code, message: error.message };
  } finally {
    for (const repair of repairs.splice(0)) repair();
  }
}

/** The most memory of a step, all of it counted, and the bytes of the moments. */
async function measure({ settings: { config, zero } }, communicator) {
  const model = new Gpt(config, { seed: 1 });
  const ids = Int32Array.of(0, 1);
  let [step, most] = [0, 0];
  const stage = {
    parameters: model.parameters(),
    nextBatch: () => {
      if (step === 2) most = native.memoryStats()[1];
      step += 1;
      native.resetPeakMemory();
      return null;
    },
    skipBatch: () => {},
    loss: (_batch, scale) => {
      const [tokens, cuSeqlens] = [tensor(ids), tensor(Int32Array.of(0, 2))];
      return model.loss({ tokens, positions: tokens, cuSeqlens }, tokens, { scale }).loss;
    },
  };
  const [before] = native.memoryStats();
  const { size: gradAccum } = communicator;
  const trainer = new Trainer(stage, { communicator, steps: 3, gradAccum, zero });
  const moments = native.memoryStats()[0] - before;
  await trainer.run();
  trainer.dispose();
  model.dispose();
  return { most, moments };
}

// There are more ranks than cores.
setThreads(1);
setDevice(process.env.TEST_DEVICE ?? 'cpu');
const ranks = await joinRanks();
const found = {};
for (const job of JSON.parse(readFileSync(list, 'utf8')))
  found[job.name] = await (job.command === 'measure' ? measure : runStage)(job, ranks);
await ranks.close();
writeFileSync(join(folder, `${ranks.rank}.json`), JSON.stringify(found));
