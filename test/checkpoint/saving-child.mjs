// Saves checkpoints, or model folders, until it is killed. The test that starts it
// knows their content.
//   saving-child.mjs checkpoints OUT FLOATS     prints each step when it is durable
//   saving-child.mjs models FOLDER FLOATS       prints each turn
import { writeModelFiles } from '../../dist/checkpoint/save-model.js';
import { CheckpointStore } from '../../dist/checkpoint/store.js';
import { parameterShapes } from '../../dist/nn/config.js';
import { presetConfig } from '../../dist/nn/presets.js';

const [what, folder, size] = process.argv.slice(2);
const floats = Number(size);

function model(value) {
  // The norm's epsilon is in config.json and the same number is every weight: a mix would show.
  const config = presetConfig('llama-tiny', { layers: 1, normEps: value });
  const parameters = [...parameterShapes(config)].map(([name, shape]) => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value);
    return [name, { dtype: 'f32', shape, data }];
  });
  return { config, parameters };
}

async function saveCheckpoint(store, step, generation) {
  const value = step * 1000 + generation;
  const data = new Float32Array(floats).fill(value);
  await store.save(step, {
    writeModel: (path) => writeModelFiles(path, model(value)),
    tensors: [1, 2, 3].map((i) => [`t${i}`, { dtype: 'f32', shape: [floats], data }]),
    state: { step, value },
  });
  process.stdout.write(`${step}\n`);
}

if (what === 'checkpoints') {
  const store = new CheckpointStore(folder);
  for (let step = (store.latest()?.step ?? 0) + 1; ; step++) {
    await saveCheckpoint(store, step, 0);
    // Again, as a run resumed from an older one does.
    for (let generation = 1; generation < 3; generation++) await saveCheckpoint(store, step, generation);
  }
} else {
  for (let turn = 1; ; turn++) {
    await writeModelFiles(folder, model(turn));
    process.stdout.write(`${turn}\n`);
  }
}
