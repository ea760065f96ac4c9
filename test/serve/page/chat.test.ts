/** The chat page in a real browser, in front of a real server. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { addKey } from '../../../src/serve/access/keys.ts';
import type { TokenReport } from '../../../src/serve/page/conversation.ts';
import { piecesOf } from '../../../src/serve/page/tokens.ts';
import { writeChatModel } from '../../helpers/chat-model.ts';
import { suiteFolder } from '../../helpers/cli.ts';
import { type Served, startServer, until } from '../../helpers/served.ts';
import type { Scripted } from './chat-front.ts';
import { program, Session } from './session.ts';

const folder = suiteFolder();
const answers = (...texts: string[]): Scripted => ({ choices: texts.map((text) => [text]) });

describe.skipIf(program === undefined)(`in ${program ?? 'a browser (none is on PATH)'}`, () => {
  let served: Served;
  let page: Session;
  let saved: string;
  beforeAll(async () => {
    (await writeChatModel(folder, { contextLength: 256 })).dispose();
    served = await startServer({ model: folder, name: 'tiny' });
    page = await Session.start(served.url);
    saved = mkdtempSync(join(tmpdir(), 'athanor-saved-'));
    await page.browser.saveTo(saved);
  });
  afterAll(async () => {
    await page?.close();
    await served.server.close();
    rmSync(saved, { recursive: true, force: true });
  });
  afterEach(() => expect(page.problems).toEqual([]));

  /** The texts of the messages that are shown. */
  const shown = () => page.texts('.bubble, .prose');
  const setting = (values: object) =>
    page.browser.evaluate(`localStorage.setItem('athanor.settings', '${JSON.stringify(values)}')`);
  /** The only file that was saved since the last call. */
  async function savedFile(): Promise<{ name: string; text: string }> {
    const complete = () => readdirSync(saved).filter((name) => !name.endsWith('.crdownload'));
    await until(() => complete().length === 1);
    const [name] = complete();
    const text = readFileSync(join(saved, name!), 'utf8');
    rmSync(join(saved, name!));
    return { name: name!, text };
  }

  describe('a conversation with the model itself', () => {
    const sampling = { temperature: 1, seed: 7, max_tokens: 24 };

    it('has the text that the API gives, and carries on with the messages before', async () => {
      const front = await page.begin();
      await setting({ ...sampling, system: 'Be brief.' });
      await page.open();
      expect(await page.text('#model')).toBe('tiny');
      await page.ask('Name a colour.');
      await page.ask('Another one?');
      const system = { role: 'system', content: 'Be brief.' };
      const messages = [system, { role: 'user', content: 'Name a colour.' }];
      for (const next of ['Another one?', undefined]) {
        const { choices } = await served.ask('/v1/chat/completions', { messages, ...sampling });
        messages.push({ role: 'assistant', content: choices[0]!.message.content });
        if (next) messages.push({ role: 'user', content: next });
      }
      expect(front.chats.at(-1)).toEqual({
        messages: messages.slice(0, -1),
        ...{ stream: true, stream_options: { include_usage: true } },
        ...sampling,
      });
      await page.browser.click('#more');
      await page.browser.click('#export-shown');
      const { name, text } = await savedFile();
      expect(name).toBe('name-a-colour.jsonl');
      expect(JSON.parse(text)).toEqual({ messages });
      await page.browser.click('#export-markdown');
      expect((await savedFile()).text).toContain(
        '## System prompt\n\nBe brief.\n\n## User\n\nName a colour.',
      );
    });

    it('shows how likely each token was, in numbers and not by color alone', async () => {
      await page.begin();
      await setting({ ...sampling, logprobs: true });
      await page.open();
      await page.ask('Red');
      await page.appears('.tokens');
      const messages = [{ role: 'user', content: 'Red' }];
      const asked = { messages, ...sampling, logprobs: true, top_logprobs: 5 };
      const { choices } = await served.ask('/v1/chat/completions', asked);
      const { content } = choices[0]!.logprobs as unknown as { content: TokenReport[] };
      const text = await page.browser.evaluate(`document.querySelector('.tokens').textContent`);
      expect(text).toBe(choices[0]!.message.content);
      await page.tabTo('.tokens');
      const [piece] = piecesOf(content);
      expect(await page.text('.readout')).toContain(piece!.logProb.toFixed(3).replace('-', '−'));
      await page.browser.key('ArrowRight');
      const [first, second] = ['0', '1'].map((index) => `.token[id$="-${index}"]`);
      expect(await page.has(`${first}[aria-selected]`)).toBe(false);
      expect(await page.has(`${second}[aria-selected="true"]`)).toBe(true);
      await page.browser.key('End');
      expect(await page.has('.token:last-child[aria-selected="true"]')).toBe(true);
      const borders = await page.browser.evaluate(
        `[...document.querySelectorAll('.legend .token')].map((one) => getComputedStyle(one).borderBottomStyle + getComputedStyle(one).borderBottomWidth)`,
      );
      expect(new Set(borders as string[]).size).toBe(4);
      await page.browser.click('[data-action=tokens]');
      expect(await page.has('.tokens')).toBe(false);
      expect(await page.has('.prose')).toBe(true);
    });

    it('can be stopped: the server stops too, and what came is kept', async () => {
      const front = await page.begin();
      front.script.push({ choices: [Array.from({ length: 400 }, (_, i) => `word${i} `)], pause: 10 });
      await page.send('Go on for ever.');
      await page.browser.until(`document.querySelector('.prose')?.innerText.includes('word5 ') === true`);
      await page.browser.key('Escape');
      await page.browser.until(`document.getElementById('stop').hidden`);
      await until(() => front.aborted === 1);
      expect(await page.text('.answer .note')).toBe('You stopped this answer.');
      const before = await page.text('.prose');
      expect(before).toMatch(/^word0 word1 /);
      // It cannot be judged: it is not the model's whole answer.
      expect(await page.has('[data-action=up]')).toBe(false);
      await page.open();
      expect(await page.text('.prose')).toBe(before);
    });
  });

  describe('branches', () => {
    it('edited messages and new answers are siblings, which arrows lead through', async () => {
      const front = await page.begin();
      front.script.push(answers('one'), answers('two'), answers('three'), answers('four'));
      await page.ask('first');
      await page.browser.click('.answer [data-action=again]');
      await page.browser.until(`document.querySelector('.prose')?.innerText === 'two'`);
      await page.ask('second');
      expect(await shown()).toEqual(['first', 'two', 'second', 'three']);
      expect(front.chats[1]!.messages).toEqual(front.chats[0]!.messages);
      expect(front.chats[2]!.messages.map(({ content }) => content)).toEqual(['first', 'two', 'second']);
      // Edit by keyboard alone.
      await page.browser.evaluate(`document.querySelector('.user [data-action=edit]').focus()`);
      await page.browser.key('Enter');
      await page.browser.key('End');
      await page.browser.type(' again');
      await page.browser.key('control+Enter');
      await page.browser.until(`document.querySelector('.prose')?.innerText === 'four'`);
      expect(await shown()).toEqual(['first again', 'four']);
      await page.browser.evaluate(`document.querySelector('.user [data-action=left]').focus()`);
      await page.browser.key('Enter');
      expect(await shown()).toEqual(['first', 'two', 'second', 'three']);
      // The focus stays on the arrow that is left.
      expect(await page.browser.evaluate('document.activeElement.dataset.action')).toBe('right');
      await page.browser.click('.answer [data-action=left]');
      expect(await shown()).toEqual(['first', 'one']);
      await page.open();
      expect(await shown()).toEqual(['first', 'one']);
      expect(await page.texts('.siblings span')).toEqual(['1/2', '1/2']);
      await page.browser.click('#more');
      await page.browser.click('#export-branches');
      const rows = (await savedFile()).text.trim().split('\n');
      expect(rows.map((row) => JSON.parse(row).messages.at(-1).content)).toEqual(['one', 'three', 'four']);
    });

    it('conversations are listed, renamed and deleted, and one goes on while another is read', async () => {
      const front = await page.begin();
      front.script.push(answers('one'));
      front.script.push({ choices: [Array.from({ length: 30 }, () => 'slow ')], pause: 15 });
      await page.ask('first');
      await page.browser.click('#new');
      await page.send('second');
      await page.browser.until(`document.querySelector('.prose')?.innerText.includes('slow') === true`);
      await page.browser.click('#list li:last-child button');
      await page.browser.until(`document.querySelector('.prose')?.innerText === 'one'`);
      await page.browser.click('#list li:first-child button');
      await page.browser.until(`document.getElementById('stop').hidden`);
      expect(await page.text('.prose')).toBe('slow '.repeat(30).trim());
      await page.browser.click('#more');
      await page.browser.evaluate(`document.getElementById('name').select()`);
      await page.browser.type('renamed');
      await page.browser.key('Enter');
      await page.browser.until(`document.querySelector('#list')?.innerText.includes('renamed')`);
      await page.browser.click('#more');
      await page.browser.click('#delete');
      await page.browser.click('dialog:last-of-type .danger');
      await page.browser.until(`document.querySelectorAll('#list li').length === 1`);
      expect(await page.texts('#list button')).toEqual(['first']);
      // Deleted while it is written, it does not come back.
      await page.browser.click('#new');
      front.script.push({ choices: [Array.from({ length: 200 }, () => 'slow ')], pause: 10 });
      await page.send('third');
      await page.browser.until(`document.querySelector('.prose')?.innerText.includes('slow') === true`);
      await page.browser.click('#more');
      await page.browser.click('#delete');
      await page.browser.click('dialog:last-of-type .danger');
      await until(() => front.aborted === 1);
      await page.open();
      expect(await page.texts('#list button')).toEqual(['first']);
      await page.browser.click('#open-settings');
      await page.browser.click('#delete-all');
      await page.browser.click('dialog:last-of-type .danger');
      await page.browser.until(`document.querySelectorAll('#list li').length === 0`);
      expect(await page.has('.welcome')).toBe(true);
    });
  });

  describe('feedback', () => {
    it('is a rating with tags, a reason and a correction, by keyboard, and is not sent twice', async () => {
      const front = await page.begin();
      await setting({ user: 'ann' });
      await page.open();
      front.script.push(answers('Two and two is five.'));
      await page.ask('2 + 2?');
      await page.appears('[data-action=down]');
      await page.browser.evaluate(`document.querySelector('[data-action=down]').focus()`);
      await page.browser.key('Enter');
      expect(await page.browser.evaluate(`document.activeElement.value`)).toBe('-1');
      await page.tabTo('.tags input');
      await page.browser.key(' ');
      await page.tabTo('textarea');
      await page.browser.type('It is four.');
      await page.tabTo('summary');
      await page.browser.key('Enter');
      await page.tabTo('details textarea');
      await page.browser.evaluate(`document.activeElement.select()`);
      await page.browser.type('Two and two is four.');
      // The first try fails: the form stays, and the second try has the same key.
      front.failing.push(503);
      await page.browser.key('control+Enter');
      await page.browser.until(`document.querySelector('.problem').innerText !== ''`);
      expect(await page.text('.problem')).toMatch(/^It was not sent: /);
      await page.browser.key('control+Enter');
      await page.browser.until(`!document.querySelector('.feedback')`);
      expect(front.refused.length).toBe(1);
      expect(front.feedback).toEqual([
        {
          ...{ response_id: 'chatcmpl-test1', choice: 0, rating: -1, tags: ['wrong'] },
          ...{ reason: 'It is four.', correction: 'Two and two is four.', user: 'ann' },
          idempotency_key: expect.stringMatching(/^[0-9a-f]{24}$/),
        },
      ]);
      expect(front.refused).toEqual(front.feedback);
      expect(await page.has('[data-action=down][aria-pressed="true"]')).toBe(true);
      expect(await page.browser.evaluate('document.activeElement.dataset.action')).toBe('down');
      await page.open();
      await page.appears('[data-action=better][aria-pressed="true"]');
    });

    it('has another key for other content, and for the same in another form', async () => {
      const front = await page.begin();
      front.script.push(answers('An answer.'));
      await page.ask('?');
      await page.appears('[data-action=up]');
      for (const [status, rating] of [
        [503, 'up'],
        [undefined, 'down'],
        [undefined, 'up'],
      ] as const) {
        if (status) front.failing.push(status);
        if (!(await page.has('.feedback'))) await page.browser.click(`[data-action=${rating}]`);
        await page.browser.click(`.rating label:has([value="${rating === 'up' ? 1 : -1}"])`);
        await page.browser.click('.feedback .primary');
        const end = status ? '.problem:not(:empty)' : 'body:not(:has(.feedback))';
        await page.appears(end);
      }
      const sent = [...front.refused, ...front.feedback];
      expect(sent.map(({ rating }) => rating)).toEqual([1, -1, 1]);
      expect(new Set(sent.map(({ idempotency_key: key }) => key)).size).toBe(3);
    });

    it('needs a rating or a changed text', async () => {
      const front = await page.begin();
      front.script.push(answers('An answer.'));
      await page.ask('?');
      await page.appears('[data-action=better]');
      await page.browser.click('[data-action=better]');
      await page.browser.click('.feedback .primary');
      expect(await page.text('.problem')).toMatch(/^Choose good or bad/);
      expect(front.feedback).toEqual([]);
      await page.browser.evaluate(`document.querySelector('details textarea').select()`);
      await page.browser.type('A better one.');
      await page.browser.click('.feedback .primary');
      await page.browser.until(`!document.querySelector('.feedback')`);
      expect(front.feedback[0]).toMatchObject({ correction: 'A better one.' });
      expect(front.feedback[0]).not.toHaveProperty('rating');
    });

    it('has no controls where the server records none', async () => {
      const front = await page.begin();
      front.isRecording = false;
      front.script.push(answers('An answer.'), answers('A', 'B'));
      await page.ask('?');
      await page.browser.until(`performance.getEntriesByName(location.origin + '/v1/feedback').length === 1`);
      expect(await page.has('[data-action=again]')).toBe(true);
      expect(await page.has('[data-action=up]')).toBe(false);
      await page.browser.click('#open-settings');
      expect(await page.text('#feedback-state')).toContain('records no feedback');
      await page.browser.key('Escape');
      await page.browser.click('#two');
      await page.ask('And two?');
      expect(await page.texts('.vote button:not([hidden])')).toEqual(['Answer A', 'Answer B']);
      await page.browser.click('[data-choice=second]');
      await page.browser.until(`document.querySelectorAll('.pair').length === 0`);
      expect((await shown()).at(-1)).toBe('B');
      expect(front.comparisons).toEqual([]);
    });

    it.each([
      ['first', 'A', 'better'],
      ['second', 'B', 'better'],
      ['tie', 'A', 'tie'],
      ['neither', 'A', 'neither'],
    ])('two answers side by side: the vote %s is sent, and %s goes on', async (choice, winner) => {
      const front = await page.begin();
      front.script.push(answers('A', 'B'), answers('next'));
      await page.browser.click('#two');
      await page.ask('?');
      expect(front.chats[0]!.n).toBe(2);
      expect(await shown()).toEqual(['?', 'A', 'B']);
      await page.browser.evaluate(`document.querySelector('[data-choice=${choice}]').focus()`);
      await page.browser.key('Enter');
      await page.browser.until(`document.querySelectorAll('.pair').length === 0`);
      expect(front.comparisons).toEqual([
        {
          first: { response_id: 'chatcmpl-test1', choice: 0 },
          second: { response_id: 'chatcmpl-test1', choice: 1 },
          preferred: choice,
          idempotency_key: expect.any(String),
        },
      ]);
      expect(await shown()).toEqual(['?', winner]);
      await page.browser.click('#two');
      await page.ask('more');
      expect(front.chats[1]!.messages.map(({ content }) => content)).toEqual(['?', winner, 'more']);
    });

    it('answers that were asked for one after the other can be compared too', async () => {
      const front = await page.begin();
      front.script.push(answers('A'), answers('B'));
      await page.ask('?');
      await page.browser.click('[data-action=again]');
      await page.browser.until(`document.querySelector('.prose')?.innerText === 'B'`);
      await page.browser.click('[data-action=compare]');
      expect(await shown()).toEqual(['?', 'A', 'B']);
      await page.browser.evaluate(`document.querySelector('.vote input').focus()`);
      await page.browser.type('shorter');
      await page.browser.click('[data-choice=first]');
      await page.browser.until(`document.querySelectorAll('.pair').length === 0`);
      expect(front.comparisons[0]).toMatchObject({
        first: { response_id: 'chatcmpl-test1', choice: 0 },
        second: { response_id: 'chatcmpl-test2', choice: 0 },
        ...{ preferred: 'first', reason: 'shorter' },
      });
      expect(await shown()).toEqual(['?', 'A']);
      expect(await page.text('.answer > .note')).toBe('You preferred this answer.');
    });
  });

  describe('text of a model', () => {
    const attacks = [
      '<script>window.pwned = 1</script>',
      '<img src=x onerror="window.pwned = 2">',
      '<svg onload="window.pwned = 3"></svg>',
      '[click](javascript:window.pwned=4)',
      '<javascript:window.pwned=5>',
      '![x](http://127.0.0.1:9/x.png)',
      '```html"><script>window.pwned = 6</script>\n<script>window.pwned = 7</script>\n```',
      '| <script>window.pwned = 8</script> |\n|---|\n| <iframe srcdoc="<script>parent.pwned = 9</script>"></iframe> |',
      '</div></main></body><script>window.pwned = 10</script>',
      '<a href="//evil.example">x</a> <form action=//evil.example><button>x</button></form>',
      '<style>*{display:none}</style><meta http-equiv=refresh content="0;url=http://127.0.0.1:9">',
    ].join('\n\n');

    it('is text: it runs nothing and loads nothing', async () => {
      const front = await page.begin();
      const logProbs = [-0.5];
      await setting({ logprobs: true });
      await page.open();
      front.script.push({ choices: [[attacks]], logProbs }, answers(attacks, attacks));
      await page.ask(attacks);
      await page.browser.evaluate(`document.querySelector('[data-action=tokens]').click()`);
      await page.browser.evaluate(`document.getElementById('two').click()`);
      await page.ask(attacks);
      await page.open();
      const inThread = `document.querySelectorAll('#thread :is(script, img, iframe, form[action], style, meta, svg[onload])').length`;
      expect(await page.browser.evaluate(inThread)).toBe(0);
      expect(await page.browser.evaluate('document.scripts.length')).toBe(1);
      expect(await page.browser.evaluate('window.pwned')).toBeUndefined();
      const links = await page.browser.evaluate(
        `[...document.querySelectorAll('#thread a')].map((a) => a.href)`,
      );
      for (const link of links as string[]) expect(link).toMatch(/^http:\/\/127\.0\.0\.1:9\//);
      expect(page.browser.problems).toEqual([]);
    });

    it('would not run even if it came into the page as markup', async () => {
      const front = await page.begin();
      front.tampered =
        '<script>window.pwned = 1</script><button id="evil" onclick="window.pwned = 2">x</button>';
      await page.open();
      await page.browser.evaluate(`document.getElementById('evil').click()`);
      expect(await page.browser.evaluate('window.pwned')).toBeUndefined();
      front.script.push(answers('fine'));
      await page.ask('?');
      expect(await page.text('.prose')).toBe('fine');
      page.browser.problems.length = 0;
    });

    it('would come nowhere even if the program of the page were careless', async () => {
      await page.begin();
      const tries = await page.browser.evaluate(`(async () => {
        const seen = [];
        addEventListener('securitypolicyviolation', ({ effectiveDirective }) => seen.push(effectiveDirective));
        const attempt = async (work) => { try { await work(); } catch {} };
        await attempt(() => { document.body.innerHTML = '<img src=x onerror="window.pwned = 1">'; });
        await attempt(() => {
          const script = document.createElement('script');
          script.append('window.pwned = 2');
          document.body.append(script);
        });
        await attempt(() => {
          const button = document.createElement('button');
          button.setAttribute('onclick', 'window.pwned = 3');
          document.body.append(button);
          button.click();
        });
        await attempt(() => fetch('http://127.0.0.1:9/?stolen'));
        await attempt(() => { const image = new Image(); image.src = 'http://127.0.0.1:9/?stolen'; });
        await attempt(() => { const frame = document.createElement('iframe'); frame.src = location.href; document.body.append(frame); });
        await attempt(() => { const link = document.createElement('style'); link.append('body{color:red}'); document.body.append(link); });
        await new Promise((done) => setTimeout(done, 100));
        return [...new Set(seen)].sort();
      })()`);
      page.browser.problems.length = 0;
      expect(tries).toEqual([
        'connect-src',
        'frame-src',
        'img-src',
        'require-trusted-types-for',
        'style-src-elem',
      ]);
      expect(await page.browser.evaluate('window.pwned')).toBeUndefined();
      expect(await page.has('#composer')).toBe(true);
    });
  });

  describe('what can go wrong', () => {
    it('a key is asked for, sent in a header only, and kept no longer than was chosen', async () => {
      const keyFile = join(folder, 'keys');
      const key = addKey(keyFile, 'ann');
      const locked = await startServer({ model: folder, name: 'tiny', apiKeyFile: keyFile });
      try {
        const front = await page.begin({}, locked.url);
        expect(await page.text('.failure h3')).toBe('This server asks for an API key');
        const enter = async (text: string) => {
          await page.browser.evaluate(`document.querySelector('.key-form input').focus()`);
          await page.browser.type(text);
          await page.browser.key('Enter');
        };
        await enter('wrong');
        await page.browser.until(
          `document.querySelector('.failure h3')?.innerText === 'This API key is not valid'`,
        );
        await enter(key);
        await page.browser.until(`!document.querySelector('.failure')`);
        await page.ask('Hello!');
        expect(front.headers[0]!.authorization).toBe(`Bearer ${key}`);
        expect(await page.has('.prose')).toBe(true);
        const stored = `(async () => {
          const open = indexedDB.open('athanor-chat');
          await new Promise((done) => { open.onsuccess = done; });
          const all = open.result.transaction('conversations').objectStore('conversations').getAll();
          await new Promise((done) => { all.onsuccess = done; });
          return JSON.stringify([location.href, document.cookie, { ...localStorage }, { ...sessionStorage }, all.result]);
        })()`;
        expect(await page.browser.evaluate(stored)).not.toContain(key);
        // Not kept: the page asks again. Then it is kept for the tab, and forgotten on demand.
        await page.open();
        await page.browser.click('.failure .check input');
        await enter(key);
        await page.browser.until(`!document.querySelector('.failure')`);
        await page.open();
        expect(await page.has('.failure')).toBe(false);
        await page.browser.click('#open-settings');
        expect(await page.text('#key-state')).toBe('A key is in use.');
        await page.browser.click('#forget-key');
        expect(await page.browser.evaluate('JSON.stringify({ ...sessionStorage })')).not.toContain(key);
        for (const path of front.paths) expect(path).not.toContain(key);
      } finally {
        await locked.server.close();
      }
    });

    it('a limit says how long to wait, counts down, and can then be tried again', async () => {
      const front = await page.begin();
      const error = { message: 'the limit of 2 requests per minute is reached', code: 'rate_limit_exceeded' };
      front.script.push({ status: 429, headers: { 'retry-after': '2' }, error }, answers('at last'));
      await page.ask('?');
      expect(await page.text('.failure h3')).toBe('A limit of the server is reached');
      expect(await page.text('.failure p')).toBe(
        'The limit of 2 requests per minute is reached. It asks to wait 2 seconds.',
      );
      expect(await page.text('.failure button')).toMatch(/^Try again in [12] s$/);
      expect(await page.has('.failure button:disabled')).toBe(true);
      await page.browser.until(
        `document.querySelector('.failure button:not(:disabled)')?.innerText === 'Try again'`,
      );
      await page.browser.click('.failure button');
      await page.browser.until(`document.querySelector('.prose')?.innerText === 'at last'`);
      expect(await page.has('.failure')).toBe(false);
      expect(await page.has('.siblings')).toBe(false);
    });

    it.each([
      [503, 'overloaded', 'The server is busy'],
      [500, 'internal_error', 'The answer failed'],
      [400, 'context_length_exceeded', 'The answer failed'],
    ])('a refusal with status %d is told in its own words', async (status, code, title) => {
      const front = await page.begin();
      front.script.push({ status, error: { message: 'something <b>particular</b>', code } });
      await page.ask('?');
      expect(await page.text('.failure h3')).toBe(title);
      expect(await page.text('.failure p')).toBe('Something <b>particular</b>.');
      // The message is kept, also when the page is loaded again.
      await page.open();
      expect(await shown()).toEqual(['?']);
      front.script.push(answers('now'));
      await page.browser.click('.unanswered button');
      await page.browser.until(`document.querySelector('.prose')?.innerText === 'now'`);
    });

    it('a connection that breaks keeps what came, and another try is a sibling of it', async () => {
      const front = await page.begin();
      front.script.push(
        { choices: [['half ', 'an ', 'answer']], pause: 20, breakAfter: 2 },
        answers('whole'),
      );
      await page.ask('?');
      expect(await page.text('.failure h3')).toBe('No connection');
      expect(await page.text('.answer .note')).toBe('The connection was lost here.');
      expect(await shown()).toEqual(['?', 'half an']);
      await page.browser.click('.failure button');
      await page.browser.until(`document.querySelector('.prose')?.innerText === 'whole'`);
      expect(await page.text('.siblings span')).toBe('2/2');
    });

    it('a server that was not ready when the page was opened is one that works later', async () => {
      const front = await page.begin();
      front.busy.push(503, 503);
      await page.open();
      expect(await page.text('.failure')).toContain('The engine starts.');
      await page.browser.click('.failure button');
      await page.browser.until(`performance.getEntriesByName(location.origin + '/v1/models').length === 2`);
      front.script.push(answers('x'));
      await page.ask('?');
      expect(await page.has('.failure')).toBe(false);
      expect(await shown()).toEqual(['?', 'x']);
    });

    it('a refusal of the checks is told as a part of the answer', async () => {
      const front = await page.begin();
      front.script.push({
        choices: [['So far']],
        refusal: 'I cannot go on with that.',
        finish: 'content_filter',
      });
      front.script.push({ choices: [[]], refusal: 'No.', finish: 'content_filter' });
      await page.ask('?');
      expect(await page.texts('.prose p')).toEqual(['So far', 'I cannot go on with that.']);
      expect(await page.text('.answer .note')).toBe('The checks of the server ended this answer.');
      await page.ask('??');
      expect((await page.texts('.prose')).at(-1)).toBe('No.');
    });

    it('a server that is gone is noticed, and the message is not lost', async () => {
      const front = await page.begin();
      await front.close();
      await page.ask('Hello?');
      expect(await page.text('.failure h3')).toBe('No connection');
      expect(await page.text('.failure p')).toBe('The server cannot be reached.');
      expect(await shown()).toEqual(['Hello?']);
    });
  });

  describe('for everybody', () => {
    it('screen readers hear of an answer twice, not of each token', async () => {
      const front = await page.begin();
      front.script.push({ choices: [Array.from({ length: 60 }, (_, i) => `w${i} `)], pause: 5 });
      await page.browser.evaluate(`(() => {
        window.said = [];
        const region = document.getElementById('announce');
        new MutationObserver(() => window.said.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
      })()`);
      await page.ask('?');
      const said = (await page.browser.evaluate('window.said')) as string[];
      expect(said.length).toBe(2);
      expect(said[0]).toBe('The model is answering.');
      expect(said[1]).toMatch(/^The answer: w0 w1 .* w59 $/);
      const regions = `[...document.querySelectorAll('[aria-live], [role=status], [role=log]')].map(({ id }) => id)`;
      expect(await page.browser.evaluate(regions)).toEqual(['announce']);
    });

    it('the Tab key reaches every control, and dialogs give the focus back', async () => {
      const front = await page.begin();
      front.script.push(answers('```js\nx\n```'));
      await page.ask('?');
      await page.appears('[data-action=better]');
      const stops = ['#new', '#list button', '#more', '#open-settings', '#theme', '.user [data-action=copy]'];
      stops.push(
        '.user [data-action=edit]',
        '.code [data-action=copy]',
        'pre',
        '.answer [data-action=again]',
      );
      stops.push('.answer [data-action=up]', '.answer [data-action=down]', '.answer [data-action=better]');
      for (const stop of [...stops, '#message', '#two']) await page.tabTo(stop);
      await page.tabTo('#open-settings');
      await page.browser.key('Enter');
      expect(await page.has('#settings[open]')).toBe(true);
      for (const stop of ['#system', '#temperature', '#stop-texts', '#logprobs', '#user', '#delete-all']) {
        await page.tabTo(stop);
      }
      await page.browser.key('Escape');
      expect(await page.has('#settings[open]')).toBe(false);
      expect(await page.browser.evaluate('document.activeElement.id')).toBe('open-settings');
      await page.browser.key('alt+ArrowUp');
      expect(await page.browser.evaluate('document.activeElement.className')).toBe('turn answer');
      await page.browser.key('alt+ArrowUp');
      expect(await page.browser.evaluate('document.activeElement.className')).toBe('turn user');
    });

    it('settings are saved, checked and sent', async () => {
      const front = await page.begin();
      await page.browser.click('#open-settings');
      for (const [id, value] of Object.entries({ temperature: '3', top_k: '5', system: 'Rhyme.' })) {
        await page.browser.evaluate(`document.getElementById('${id}').focus()`);
        await page.browser.type(value);
      }
      const save = `document.querySelector('#settings-form .primary').click()`;
      await page.browser.evaluate(save);
      // Beyond its bound: the dialog stays open at the field.
      expect(await page.browser.evaluate('document.activeElement.id')).toBe('temperature');
      await page.browser.evaluate(`document.getElementById('temperature').value = '0.5'`);
      await page.browser.evaluate(save);
      expect(await page.has('#settings[open]')).toBe(false);
      front.script.push(answers('x'), answers('y'));
      await page.ask('?');
      expect(front.chats[0]).toMatchObject({ temperature: 0.5, top_k: 5 });
      expect(front.chats[0]!.messages[0]).toEqual({ role: 'system', content: 'Rhyme.' });
      await page.open();
      await page.ask('again');
      expect(front.chats[1]).toMatchObject({ temperature: 0.5, top_k: 5 });
    });

    it('a long answer is followed while it comes, until the reader scrolls up', async () => {
      const front = await page.begin();
      const lines = Array.from({ length: 120 }, (_, i) => `line ${i}\n\n`);
      front.script.push({ choices: [lines], pause: 4 });
      await page.send('?');
      const distance = `(() => { const s = document.getElementById('scroller'); return s.scrollHeight - s.scrollTop - s.clientHeight; })()`;
      await page.browser.until(`document.querySelectorAll('.prose p').length > 40`);
      await page.browser.frame();
      expect(await page.browser.evaluate(distance)).toBeLessThan(80);
      await page.browser.evaluate(`document.getElementById('scroller').scrollTop = 0`);
      await page.browser.until(`document.getElementById('stop').hidden`);
      expect(await page.browser.evaluate(`document.getElementById('scroller').scrollTop`)).toBe(0);
      await page.browser.click('#latest');
      expect(await page.browser.evaluate(distance)).toBeLessThan(80);
    });

    it('a button copies the code of a block and the whole answer', async () => {
      const front = await page.begin();
      await page.browser.send('Browser.grantPermissions', {
        origin: front.url,
        permissions: ['clipboardReadWrite', 'clipboardSanitizedWrite'],
      });
      front.script.push(answers('Text\n\n```js\nlet x = 1;\n\tx++;\n```'));
      await page.ask('?');
      await page.browser.click('.code [data-action=copy]');
      await page.browser.until(`document.getElementById('announce').textContent.startsWith('Copied')`);
      expect(await page.browser.evaluate('navigator.clipboard.readText()')).toBe('let x = 1;\n\tx++;');
      await page.browser.click('.answer > .tools [data-action=copy]');
      await page.browser.frame();
      expect(await page.browser.evaluate('navigator.clipboard.readText()')).toBe(
        'Text\n\n```js\nlet x = 1;\n\tx++;\n```',
      );
    });
  });
});
