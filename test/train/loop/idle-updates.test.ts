/** Updates that had nothing to learn from are counted, and reported once. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IdleUpdates, MANY_IDLE_UPDATES, stillUpdate } from '../../../src/train/loop/idle-updates.ts';
import type { RunEvent } from '../../../src/train/loop/run-events.ts';
import { dpo } from '../../../src/train/preference/dpo.ts';
import { reward } from '../../../src/train/preference/reward.ts';
import { sft } from '../../../src/train/sft/run.ts';
import { writeChatModel } from '../../helpers/chat-model.ts';
import { dpoDefaults, jsonl, rewardDefaults, sftDefaults } from '../../helpers/stages.ts';

describe('the count', () => {
  it('warns once, after many in a row', () => {
    const idle = new IdleUpdates();
    const found = Array.from({ length: 3 * MANY_IDLE_UPDATES }, (_, i) => {
      return idle.observe(i === 5 ? undefined : 'why');
    });
    const warned = found.filter((text) => text !== undefined);
    expect(warned).toEqual([`the last ${MANY_IDLE_UPDATES} updates had nothing to learn from: why`]);
    expect(found.indexOf(warned[0])).toBe(5 + MANY_IDLE_UPDATES);
    expect(idle.atEnd()).toBeUndefined();
    expect(idle.count).toBe(3 * MANY_IDLE_UPDATES - 1);
  });

  it('warns at the end only if no update had anything', () => {
    const [all, some, none] = [new IdleUpdates(), new IdleUpdates(), new IdleUpdates()];
    all.observe('why');
    some.observe('why');
    some.observe(undefined);
    expect(all.atEnd()).toBe('no update of the run had anything to learn from: why');
    expect([some.atEnd(), none.atEnd()]).toEqual([undefined, undefined]);
  });

  it('goes on from its state', () => {
    const idle = new IdleUpdates();
    for (let i = 0; i < MANY_IDLE_UPDATES - 1; ++i) idle.observe('why');
    const again = new IdleUpdates();
    again.restore(JSON.parse(JSON.stringify(idle.state())));
    expect(again.observe('why')).toBeDefined();
    expect(again.observe('why')).toBeUndefined();
    expect(again.count).toBe(MANY_IDLE_UPDATES + 1);
  });

  it('knows updates that change nothing', () => {
    expect(stillUpdate(1e-3, [0, 0.5])).toBeUndefined();
    expect(stillUpdate(0, [0.5])).toMatch(/`lr`/);
    expect(stillUpdate(1e-3, [0, 0])).toMatch(/gradients/);
    expect(stillUpdate(1e-3, [Number.NaN])).toBeUndefined();
  });
});

describe('stages that learn from rows', () => {
  let root: string;
  let model: string;
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'athanor-idle-'));
    model = join(root, 'model');
    (await writeChatModel(model, { contextLength: 64, hiddenSize: 16, layers: 1, heads: 2 })).dispose();
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  let runs = 0;
  const place = () => {
    runs += 1;
    return { model, out: join(root, `run-${runs}`) };
  };

  it('say that a learning rate of 0 changed nothing', async () => {
    const data = jsonl(root, 'pairs.jsonl', [{ prompt: 'a?', chosen: 'blue', rejected: 'red' }]);
    const warnings: string[] = [];
    const onEvent = (event: RunEvent) => event.type === 'warning' && warnings.push(event.text);
    const result = await dpo({ ...dpoDefaults, ...place(), data, lr: 0, steps: 2 }, { onEvent });
    expect(warnings).toEqual([
      'no update of the run had anything to learn from: the learning rate is 0; raise `lr`',
    ]);
    expect(result.idleUpdates).toBe(2);
  });

  it.each([
    ['dpo', (options: object) => dpo({ ...dpoDefaults, ...place(), ...options })],
    ['reward', (options: object) => reward({ ...rewardDefaults, ...place(), ...options })],
  ] as const)(
    '%s leaves pairs out whose answers are the same tokens, and refuses data of nothing else',
    async (_, run) => {
      // The template cannot tell half of a surrogate pair from the replacement character.
      const same = { prompt: 'a?', chosen: 'blue \ud800', rejected: 'blue \ufffd' };
      const other = { prompt: 'b?', chosen: 'blue', rejected: 'red' };
      await expect(run({ data: jsonl(root, 'same.jsonl', [same]), steps: 1 })).rejects.toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringContaining('gives both answers of a pair the same tokens') as string,
      });
      const result = await run({ data: jsonl(root, 'mixed.jsonl', [same, other]), epochs: 1, batchSize: 1 });
      expect(result.step).toBe(1);
    },
  );

  it('sft refuses data whose every answer is masked', async () => {
    const messages = [
      { role: 'user', content: 'a?' },
      { role: 'assistant', content: 'blue', train: false },
    ];
    const data = jsonl(root, 'masked.jsonl', [{ messages }]);
    await expect(sft({ ...sftDefaults, ...place(), data, steps: 1 })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining('nothing to learn was left') as string,
    });
  });
});
