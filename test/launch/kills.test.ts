/**
 * Ranks that are killed at random moments, over TCP and over MPI: the run goes on from its last
 * checkpoint, on another number of ranks and with another stage of ZeRO, and ends with the bits of
 * an undisturbed one.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { mix } from '../../src/base/random.ts';
import { athanor, suiteFolder } from '../helpers/cli.ts';
import { bitsOf, launchedRuns, processOf, type Way, ways } from '../helpers/launched-runs.ts';
import { noMpi } from '../helpers/rank-processes.ts';

/** Kills over each way. More of them take minutes. */
const kills = Number(process.env.ATHANOR_TEST_KILLS ?? 3);
/** A run is killed so often before it may end. */
const KILLS_PER_RUN = 5;

const root = suiteFolder();
let command: Awaited<ReturnType<typeof launchedRuns>>;
let whole: ReturnType<typeof bitsOf>;
beforeAll(async () => {
  command = await launchedRuns(root);
  await athanor(...command(join(root, 'whole')));
  whole = bitsOf(join(root, 'whole'));
});

/** Whether a process has a checkpoint that is not complete yet. */
function isSaving(out: string, pid: number | undefined): boolean {
  const folder = join(out, 'checkpoints');
  return existsSync(folder) && readdirSync(folder).some((name) => name.endsWith(`.tmp-${pid}`));
}

/** Kills a rank at a moment that follows from the seed. Returns how to stop waiting for it. */
function killer(launcher: number, out: string, seed: number, size: number) {
  const state = { victim: mix(seed, 1) % size, wasKilled: false, wasSaving: false };
  const isWriting = seed % 2 === 1;
  // While a checkpoint is written rank 0 has the file in its hands.
  if (isWriting) state.victim = mix(seed, 2) % 2 === 0 ? 0 : state.victim;
  const from = performance.now() + (mix(seed, 3) % 1500);
  const watch = setInterval(() => {
    if (performance.now() < from) return;
    if (isWriting && !isSaving(out, processOf(launcher, 0))) return;
    const pid = processOf(launcher, state.victim);
    if (pid === undefined) return;
    clearInterval(watch);
    try {
      process.kill(pid, 'SIGKILL');
      state.wasKilled = true;
      state.wasSaving = isWriting;
    } catch {
      // It has ended meanwhile.
    }
  }, 1);
  return { state, stop: () => clearInterval(watch) };
}

/** Kills a run again and again, and then lets it end. Returns how many kills hit, and in a save. */
async function killedRun(way: Way, name: string, out: string, first: number, most: number) {
  let [hits, saves] = [0, 0];
  for (let seed = first; ; ++seed) {
    const size = 2 + (mix(seed, 4) % 3);
    const isLast = hits >= most;
    let kill: ReturnType<typeof killer> | undefined;
    const { code, output } = await way(size, command(out, '--zero', String(mix(seed, 5) % 4)), {
      started: (pid) => {
        if (!isLast) kill = killer(pid, out, seed, size);
      },
    });
    kill?.stop();
    if (code === 0) return { hits, saves };
    expect(kill?.state.wasKilled, `${name}, seed ${seed}: ${output}`).toBe(true);
    hits += 1;
    saves += Number(kill!.state.wasSaving);
    // mpirun has other words for a rank that was killed before it came to MPI.
    const said =
      name === 'TCP' ? /rank (\d) was ended by SIGKILL/ : /exited on signal 9|a non-zero exit code/;
    const [, victim] = said.exec(output) ?? expect.fail(`${name}, seed ${seed}: ${output}`);
    if (name === 'TCP') expect(Number(victim), output).toBe(kill!.state.victim);
  }
}

describe.each(Object.keys(ways) as (keyof typeof ways)[])('over %s', (name) => {
  it.skipIf(name === 'mpirun' && noMpi)(
    `${kills} kills leave the bits of an undisturbed run`,
    async () => {
      let [hits, saves] = [0, 0];
      for (let run = 0; hits < kills; ++run) {
        const out = join(root, `${name}-${run}`);
        const most = Math.min(KILLS_PER_RUN, kills - hits);
        const found = await killedRun(ways[name], name, out, 100 * run, most);
        hits += found.hits;
        saves += found.saves;
        expect(bitsOf(out), `run ${run}`).toEqual(whole);
        // A machine on which runs end before they are killed shows nothing.
        expect(run).toBeLessThan(10 * kills);
      }
      if (kills >= 10) expect(saves).toBeGreaterThan(0);
      console.info(`${name}: ${hits} kills, ${saves} of them while a checkpoint was written`);
    },
    60_000 + kills * 30_000,
  );
});
