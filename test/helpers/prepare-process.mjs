/**
 * Prepares a folder in a process of its own, with the options of the first argument. The second one
 * names a phase and the number of its report at which the process kills itself.
 */
import { prepareData } from '../../dist/data/shards/prepare.js';

const [options, death] = process.argv.slice(2).map((text) => JSON.parse(text));
let phase = '';
let reports = 0;
try {
  await prepareData({
    ...options,
    onResumed: ({ done, units }) => console.log(`resumed ${done}/${units}`),
    onProgress: (progress) => {
      if (progress.phase !== phase) reports = 0;
      phase = progress.phase;
      reports += 1;
      if (death && phase === death.phase && reports === death.report) process.kill(process.pid, 'SIGKILL');
    },
  });
} catch (error) {
  console.log(JSON.stringify({ code: error.code, message: error.message }));
  process.exitCode = 1;
}
