/**
 * A worker may be terminated and a process may end at any moment of a call into the engine. What
 * the call then throws has no JavaScript to go to. Children do this a dozen times each, with the
 * addon alone, and must end as a program without an addon would.
 */
import { describe, expect, it } from 'vitest';
import { addonPath } from '../helpers/addon.ts';
import { type Finished, runNode } from '../helpers/cli.ts';

const ROUNDS = 12;

/** What each kind of worker does until it is ended. */
const works = {
  calls: `for (;;) native.gemm(a, b, false, false, 'f32').dispose();`,
  structs: `for (;;) native.linearForward({ x: a, weight: b, activation: 'none', savePreactivation: false })[0].dispose();`,
  errors: `for (;;) try { native.gemm(a, wrong, false, false, 'f32'); } catch {}`,
  classes: `for (;;) {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const offsets = Uint32Array.from({ length: 257 }, (_, i) => i);
    const kinds = new Uint8Array(256).fill(1);
    const made = new native.NativeTokenizer({
      ...{ bytes, offsets, kinds, flags: new Uint8Array(256), merges: new Int32Array() },
      ...{ texts: new Uint8Array(), textOffsets: new Uint32Array(), normalizer: [] },
      ...{ ignoreMerges: false, byteFallback: false, unknown: -1, fuseUnknown: false },
      pieces: [{ kind: 'pattern', named: 'gpt4', text: '', content: '', behavior: 'isolated', invert: false }],
    });
    made.decode(made.encode(['a text', 'and another'], true)[0], false);
  }`,
  getters: `for (;;) try { native.linearForward({ get x() { throw 'not an error'; } }); } catch {}`,
  promises: `
    const trainer = new native.NativeTokenizerTrainer('gpt4', []);
    const text = Array.from({ length: 2000 }, (_, i) => 'w' + (i * 2654435761).toString(36)).join(' ');
    for (;;) { await trainer.count([text]); await trainer.train(300, 2); }`,
};

/** `begin` calls `stop` some milliseconds after a worker of this kind has begun, by the round. */
const prelude = (work: string) => `
  const { Worker } = require('node:worker_threads');
  const begin = (round, stop) => {
    const worker = new Worker(${JSON.stringify(`
      const { parentPort } = require('node:worker_threads');
      const native = require(${JSON.stringify(addonPath())});
      native.setErrorClass(class extends Error { constructor(code, text) { super(code + text); } });
      const a = native.full([96, 96], 'f32', 1), b = native.full([96, 96], 'f32', 1);
      const wrong = native.full([3, 3], 'f32', 1);
      parentPort.postMessage('begun');
      (async () => { ${work} })();`)}, { eval: true });
    worker.on('error', (error) => { console.error(error); process.exit(70); });
    worker.on('message', () => setTimeout(stop, 3 + (round * 7) % 20));
    return worker;
  };`;

function child(work: string, body: string): Promise<Finished> {
  return runNode(['-e', `${prelude(work)}\n${body}`]);
}

describe.each(Object.entries(works))('a worker that is busy with %s', (_, work) => {
  it('can be terminated', async () => {
    const end = await child(
      work,
      `(async () => {
        for (let round = 0; round < ${ROUNDS}; ++round) {
          await new Promise((done) => {
            const worker = begin(round, async () => done(await worker.terminate()));
          });
        }
        console.log('ended');
        process.exitCode = 5;
      })();`,
    );
    expect(end).toMatchObject({ code: 5, stderr: '', stdout: 'ended\n' });
  });

  it('ends with its process', async () => {
    for (let round = 0; round < ROUNDS; round += 3) {
      const ends = await Promise.all(
        [0, 1, 2].map((more) =>
          child(
            work,
            `let begun = 0;
            const stop = () => { if (++begun === 2) process.exit(7); };
            begin(${round + more}, stop); begin(${round + more}, stop);`,
          ),
        ),
      );
      for (const end of ends) expect(end).toMatchObject({ code: 7, stderr: '' });
    }
  });
});

describe('workers that alone load the addon', () => {
  it('leave the threads of the pool alive when the last of them ends', async () => {
    const work = `const native = require(${JSON.stringify(addonPath())});
      native.setNumThreads(3);
      for (let i = 0; i < 5; ++i) native.full([1 << 20], 'f32', 1).dispose();`;
    const end = await runNode([
      '-e',
      `const { Worker } = require('node:worker_threads');
      (async () => {
        for (let round = 0; round < ${ROUNDS}; ++round) {
          const worker = new Worker(${JSON.stringify(work)}, { eval: true });
          await new Promise((done, fail) => worker.on('exit', done).on('error', fail));
          await new Promise((done) => setTimeout(done, 5));
        }
        console.log('ended');
      })();`,
    ]);
    expect(end).toMatchObject({ code: 0, stderr: '', stdout: 'ended\n' });
  });
});
