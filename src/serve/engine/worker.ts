/**
 * The engine thread. Between two steps it takes the messages that have come, without a turn of the
 * event loop. It is never more than a few steps ahead of the HTTP thread: so a client that is gone
 * is noticed within as many tokens, and no queue of unsent text grows.
 */
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { QuantizationCost } from '../../eval/quantization-cost.ts';
import type { EngineSettings, FromEngine, ToEngine } from '../protocol/messages.ts';
import { sentError } from '../protocol/sent-error.ts';
import { Scheduler } from './scheduler.ts';
import { ServedModel } from './served-model.ts';

/** One step runs while the HTTP thread writes out the one before. */
const STEPS_AHEAD = 2;
// A turn of the event loop takes several system calls. Only finalizers wait for it.
const MAX_MS_BETWEEN_TURNS = 5;

const port = parentPort!;
const settings = workerData as EngineSettings;
const post = (message: FromEngine) => port.postMessage(message);

async function run(): Promise<void> {
  let served: ServedModel;
  let scheduler: Scheduler;
  let quantizationCost: QuantizationCost | undefined;
  try {
    served = new ServedModel(settings);
    if (settings.measuresCost) quantizationCost = await served.quantizationCost();
    scheduler = new Scheduler(served, settings, post);
  } catch (error) {
    post({ type: 'unusable', error: sentError(error) });
    return;
  }
  let wake = () => {};
  port.on('message', (message: ToEngine) => {
    scheduler.handle(message);
    wake();
  });
  post({ type: 'ready', model: { ...served.info, ...(quantizationCost && { quantizationCost }) } });
  let lastTurn = performance.now();
  for (;;) {
    for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) {
      scheduler.handle(got.message as ToEngine);
    }
    if (!scheduler.isBusy) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    } else {
      scheduler.step();
      waitForHost(scheduler.steps);
    }
    if (performance.now() - lastTurn >= MAX_MS_BETWEEN_TURNS) {
      await yieldToEvents();
      lastTurn = performance.now();
    }
  }
}

/** Waits until the HTTP thread has handled all steps but the last few. */
function waitForHost(steps: number): void {
  const { handled } = settings;
  for (let seen = Atomics.load(handled, 0); steps - seen > STEPS_AHEAD - 1; seen = Atomics.load(handled, 0)) {
    Atomics.wait(handled, 0, seen);
  }
}

await run();
