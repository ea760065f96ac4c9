/** Feedback from the page arrives in the store of the server. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FeedbackStore } from '../../../src/feedback/store.ts';
import { writeChatModel } from '../../helpers/chat-model.ts';
import { suiteFolder } from '../../helpers/cli.ts';
import { type Served, startServer } from '../../helpers/served.ts';
import { program, Session } from './session.ts';

const folder = suiteFolder();
const file = join(folder, 'feedback.db');

describe.skipIf(program === undefined)('with a server that records', () => {
  let served: Served;
  let page: Session;
  beforeAll(async () => {
    (await writeChatModel(folder, { contextLength: 128 })).dispose();
    served = await startServer({ model: folder, name: 'tiny', feedback: file });
    page = await Session.start(served.url);
  });
  afterAll(async () => {
    await page?.close();
    await served.server.close();
  });

  it('a rating, a correction and a vote are stored, with what they are about', async () => {
    const front = await page.begin();
    front.isReal = true;
    const settings = JSON.stringify({ max_tokens: 12, seed: 3, user: 'ann' });
    await page.browser.evaluate(`localStorage.setItem('athanor.settings', '${settings}')`);
    await page.open();
    await page.ask('Name a colour.');
    await page.appears('[data-action=down]');
    await page.browser.click('[data-action=down]');
    await page.browser.click('.tags .chip');
    await page.browser.evaluate(`document.querySelector('.feedback textarea').focus()`);
    await page.browser.type('It is no colour.');
    await page.browser.click('summary');
    await page.browser.evaluate(`document.querySelector('details textarea').select()`);
    await page.browser.type('Blue.');
    await page.browser.click('.feedback .primary');
    await page.appears('body:not(:has(.feedback))');
    await page.browser.click('#two');
    await page.ask('Another one?');
    await page.browser.click('[data-choice=neither]');
    await page.appears('body:not(:has(.pair))');
    await page.browser.click('[data-action=compare]');
    await page.browser.click('[data-choice=second]');
    await page.appears('body:not(:has(.pair))');
    expect(page.problems).toEqual([]);
    await served.server.close();
    const store = FeedbackStore.open(file);
    expect([...store.feedback()]).toMatchObject([
      {
        ...{ rating: -1, tags: ['wrong'], reason: 'It is no colour.', correction: 'Blue.', user: 'ann' },
        answer: { id: expect.stringMatching(/^chatcmpl-/), choice: 0 },
      },
    ]);
    const comparisons = [...store.comparisons()];
    expect(comparisons.map(({ preferred }) => preferred)).toEqual(['neither', 'second']);
    for (const { first, second } of comparisons) {
      expect([first.choice, second.choice, first.id === second.id]).toEqual([0, 1, true]);
    }
    store.close();
  });
});
