/**
 * The thread of a reward file. What the file does besides scoring, such as loops, process.exit(),
 * timers and stray rejections, ends or holds up this thread and not the run.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { type Asked, callAll, messageOf, type Outcome, type RewardFunction } from './reward-calls.ts';

/** Tells the run: ready or not, and then the beginning and the end of every call. */
export type WorkerMessage =
  | { type: 'ready' }
  | { type: 'refused'; problem: string }
  | { type: 'begin'; index: number }
  | { type: 'end'; index: number; outcome: Outcome };

async function load(url: string): Promise<RewardFunction | undefined> {
  try {
    const module = (await import(url)) as Record<string, unknown>;
    const reward = module.default ?? module.reward;
    if (typeof reward === 'function') return reward as RewardFunction;
    tell({ type: 'refused', problem: 'exports no reward function' });
  } catch (error) {
    tell({ type: 'refused', problem: `does not load: ${messageOf(error)}` });
  }
  return undefined;
}

function tell(message: WorkerMessage): void {
  parentPort!.postMessage(message);
}

const reward = await load((workerData as { url: string }).url);
if (reward) {
  parentPort!.on('message', (asked: readonly Asked[]) => {
    callAll(reward, asked, {
      begin: (index) => tell({ type: 'begin', index }),
      end: (index, outcome) => tell({ type: 'end', index, outcome }),
    });
  });
  tell({ type: 'ready' });
}
