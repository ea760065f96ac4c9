/** How the chat page looks, and whether everybody can use it: axe-core in each state and look. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Look } from '../../helpers/browser.ts';
import { writeChatModel } from '../../helpers/chat-model.ts';
import { suiteFolder } from '../../helpers/cli.ts';
import { type Served, startServer } from '../../helpers/served.ts';
import { program, Session } from './session.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const folder = suiteFolder();
const LOOKS: [string, Look][] = [
  ['light', {}],
  ['dark', { dark: true }],
  ['light, on a phone', { width: 390, height: 844 }],
  ['dark, on a small phone', { width: 320, height: 640, dark: true }],
];
const LONG = `# Title

Text with **bold**, \`code\`, a [link](https://example.org) and a_very_long_word_${'x'.repeat(200)}.

1. one
   - inner
2. two

> quote

\`\`\`js
const line = '${'wide '.repeat(60)}';
\`\`\`

| a | b | c | d | e |
|---|--:|:-:|---|---|
${'| considerably | longer | cells | than | usual |\n'.repeat(3)}
`;

describe.skipIf(program === undefined)(`in ${program ?? 'a browser (none is on PATH)'}`, () => {
  let served: Served;
  let page: Session;
  beforeAll(async () => {
    (await writeChatModel(folder, { contextLength: 64 })).dispose();
    served = await startServer({ model: folder, name: 'tiny' });
    page = await Session.start(served.url);
  });
  afterAll(async () => {
    await page?.close();
    await served.server.close();
  });

  /** What axe-core objects to, each with its elements. */
  async function objections(): Promise<string[]> {
    if (!(await page.browser.evaluate('!!window.axe'))) await page.browser.evaluate(`${axe};0`);
    // A transition that is under way would be measured in the middle.
    await page.browser.evaluate(
      `Promise.all(document.getAnimations().filter((one) => one.effect.getTiming().iterations !== Infinity).map((one) => one.finished))`,
    );
    // Contrasts that it cannot measure count, but for text that is partly covered, and for no text.
    return (await page.browser.evaluate(`axe.run(document).then(({ violations, incomplete }) =>
      [...violations, ...incomplete.filter(({ id }) => id === 'color-contrast')].flatMap(({ id, nodes }) => nodes.filter(({ any }) => !any.some(({ message }) => /overlap|has no value/.test(message))).map(({ html, any }) => id + ': ' + html.slice(0, 200) + ' ' + any.map(({ message }) => message).join()))
    )`)) as string[];
  }

  it('axe-core finds what is wrong', async () => {
    await page.begin();
    await page.browser.evaluate(`(() => {
      document.documentElement.style.setProperty('--soft', '#c8c8c8');
      document.getElementById('send').removeAttribute('aria-label');
      document.getElementById('send').removeAttribute('title');
    })()`);
    const rules = (await objections()).map((objection) => objection.split(':')[0]);
    expect(new Set(rules)).toEqual(new Set(['button-name', 'color-contrast']));
  });

  describe.each(LOOKS)('%s', (_, look) => {
    /** Nothing to object to, and nothing beyond the sides of the window. */
    async function isFine(state: string): Promise<void> {
      expect([state, await objections()]).toEqual([state, []]);
      const width = look.width ?? 1280;
      const sizes = `[document.documentElement.scrollWidth, document.body.scrollWidth, document.getElementById('scroller').scrollWidth <= document.getElementById('scroller').clientWidth, document.documentElement.scrollHeight - innerHeight]`;
      expect([state, await page.browser.evaluate(sizes)]).toEqual([state, [width, width, true, 0]]);
      expect([state, page.problems]).toEqual([state, []]);
    }

    it('is without objection in every state', async () => {
      const front = await page.begin(look);
      await isFine('empty');
      front.script.push({ choices: [[...LONG.match(/.{1,40}/gs)!, 'slow', 'slow', 'slow']], pause: 60 });
      await page.send('A question.\n'.repeat(3));
      await page.browser.until(`document.querySelector('.prose')?.innerText.includes('Title') === true`);
      await isFine('while an answer comes');
      await page.browser.until(`document.getElementById('stop').hidden`);
      await page.appears('[data-action=down]');
      await isFine('an answer');
      await page.browser.click('[data-action=down]');
      await page.browser.click('summary');
      await page.browser.click('.feedback .primary');
      await page.appears('.note:not([hidden])');
      await page.browser.click('[data-action=better]');
      await isFine('feedback');
      await page.browser.click('.feedback .quiet');
      await page.browser.click('.user [data-action=edit]');
      await isFine('an edited message');
      await page.browser.key('Escape');
      front.script.push({ choices: [[LONG], ['short']] });
      await page.browser.click('#two');
      await page.ask('Two, please.');
      await isFine('two answers');
      await page.browser.click('[data-choice=second]');
      await page.browser.until(`!document.querySelector('.pair')`);
      await isFine('a version of two');
    });

    it('is without objection with tokens, dialogs and failures', async () => {
      const front = await page.begin(look);
      await page.browser.evaluate(`localStorage.setItem('athanor.settings', '{"logprobs":true}')`);
      await page.open(look);
      const words = Array.from({ length: 80 }, (_, i) => `word${i} `);
      front.script.push({ choices: [words], logProbs: words.map((_, i) => -i / 20) });
      await page.ask('Tokens?');
      await page.appears('.tokens');
      await page.browser.evaluate(`document.querySelector('.tokens').focus()`);
      await page.browser.key('ArrowRight');
      await isFine('tokens');
      await page.browser.click('#open-settings');
      await isFine('settings');
      await page.browser.key('Escape');
      await page.browser.click('#more');
      await isFine('the dialog of a conversation');
      await page.browser.click('#delete');
      await isFine('a question');
      await page.browser.key('Escape');
      await page.browser.key('Escape');
      const error = { message: 'the limit of 3 requests per minute is reached', code: 'x' };
      front.script.push({ status: 429, headers: { 'retry-after': '30' }, error });
      await page.ask('Too many?');
      await isFine('a limit');
      front.script.push({ status: 401, error: { message: 'this server needs an API key', code: 'x' } });
      await page.ask('A key?');
      await isFine('a key is asked for');
      if ((look.width ?? 1280) < 860) {
        await page.browser.click('#open-side');
        await isFine('the list of conversations');
      }
    });
  });

  it('the button switches between light and dark, and the choice is kept', async () => {
    const color = 'getComputedStyle(document.body).backgroundColor';
    const [light, dark] = ['rgb(247, 247, 245)', 'rgb(19, 21, 24)'];
    await page.begin({ dark: true });
    expect(await page.browser.evaluate(color)).toBe(dark);
    await page.browser.click('#theme');
    expect(await page.browser.evaluate(color)).toBe(light);
    await page.open({ dark: true });
    expect(await page.browser.evaluate(color)).toBe(light);
    await page.browser.click('#theme');
    expect(await page.browser.evaluate(color)).toBe(dark);
    // Now as the system wants it again.
    await page.browser.look({ dark: false });
    expect(await page.browser.evaluate(color)).toBe(light);
  });

  it('nothing moves for who wants it so', async () => {
    for (const [reducedMotion, moving] of [
      [true, 0],
      [false, 1],
    ] as const) {
      const front = await page.begin({ reducedMotion });
      front.script.push({ choices: [['a', 'b', 'c', 'd', 'e']], pause: 60 });
      await page.send('?');
      await page.appears('.waiting:not([hidden])');
      expect(await page.browser.evaluate('document.getAnimations().length')).toBe(moving);
      await page.browser.until(`document.getElementById('stop').hidden`);
    }
  });

  it('on a phone the list of conversations covers the rest, which cannot be reached then', async () => {
    const front = await page.begin({ width: 390, height: 844 });
    front.script.push({ choices: [['x']] });
    await page.ask('first');
    expect(await page.browser.evaluate(`document.getElementById('sidebar').inert`)).toBe(true);
    await page.browser.click('#open-side');
    expect(await page.browser.evaluate('document.activeElement.id')).toBe('close-side');
    for (let i = 0; i < 12; ++i) {
      await page.browser.key('Tab');
      expect(await page.browser.evaluate(`!!document.activeElement.closest('#stage')`)).toBe(false);
    }
    await page.browser.evaluate(`document.getElementById('new').focus()`);
    await page.browser.key('Escape');
    expect(await page.browser.evaluate('document.activeElement.id')).toBe('open-side');
    await page.browser.click('#open-side');
    await page.browser.click('#new');
    expect(await page.has('.welcome')).toBe(true);
    expect(await page.browser.evaluate('document.activeElement.id')).toBe('message');
    const small = `[...document.querySelectorAll('#stage button')].filter((one) => one.offsetWidth > 0 && Math.min(one.offsetWidth, one.offsetHeight) < 34).map((one) => one.outerHTML)`;
    expect(await page.browser.evaluate(small)).toEqual([]);
  });
});
