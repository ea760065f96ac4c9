/** A real Chromium, driven over its debugging pipe: it reaches nothing but what it opens. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';

/** The first of Chromium's usual names on PATH. */
export function findBrowser(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  return names
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

interface Message {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** How a page is opened. */
export interface Look {
  width?: number;
  height?: number;
  dark?: boolean;
  reducedMotion?: boolean;
  /** Device pixels per pixel, for screenshots. */
  scale?: number;
}

/** Keys that write no text, with the codes that pages and the browser itself read. */
const KEY_CODES: Readonly<Record<string, number>> = {
  ...{ Backspace: 8, Tab: 9, Enter: 13, Escape: 27, ' ': 32, End: 35, Home: 36 },
  ...{ ArrowLeft: 37, ArrowUp: 38, ArrowRight: 39, ArrowDown: 40 },
};
const MODIFIERS = { alt: 1, control: 2, shift: 8 } as const;

export class Browser {
  /** Console errors, uncaught exceptions and requests that were blocked. */
  readonly problems: string[] = [];
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #events = new Map<string, () => void>();
  #session: string | undefined;
  /** Where the page may ask for something without that being a problem. */
  #allowed = 'file:';
  #nextId = 1;

  private constructor(process: ChildProcess, profile: string) {
    this.#process = process;
    this.#profile = profile;
    let begun = '';
    (process.stdio[4] as Readable).setEncoding('utf8').on('data', (piece: string) => {
      const messages = (begun + piece).split('\0');
      begun = messages.pop()!;
      for (const message of messages) this.#receive(JSON.parse(message) as Message);
    });
  }

  static async start(program: string): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), 'athanor-browser-'));
    const flags =
      '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars --remote-debugging-pipe'.split(
        ' ',
      );
    const child = spawn(program, [...flags, `--user-data-dir=${profile}`], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    });
    const browser = new Browser(child, profile);
    const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
    browser.#session = sessionId as string;
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await browser.send(`${domain}.enable`);
    return browser;
  }

  send(method: string, params: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const id = this.#nextId++;
    const message = { id, method, params, ...(this.#session && { sessionId: this.#session }) };
    (this.#process.stdio[3] as Writable).write(`${JSON.stringify(message)}\0`);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ error, result }) =>
        error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result ?? {}),
      );
    });
  }

  /**
   * Opens a file or an address of http. Waits until its scripts have run and a frame was drawn.
   */
  async open(target: string, look: Look = {}): Promise<void> {
    await this.look(look);
    const url = target.startsWith('http:') ? target : pathToFileURL(target).href;
    this.#allowed = target.startsWith('http:') ? new URL(url).origin : 'file:';
    await this.#loading(() => this.send('Page.navigate', { url }));
  }

  async reload(): Promise<void> {
    await this.#loading(() => this.send('Page.reload'));
  }

  /** Sets the size of the window and what the page knows of its user. */
  async look({
    width = 1280,
    height = 900,
    dark = false,
    reducedMotion = false,
    scale = 1,
  }: Look): Promise<void> {
    await this.send('Emulation.setDeviceMetricsOverride', {
      width,
      height,
      deviceScaleFactor: scale,
      mobile: false,
    });
    const features = [
      { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' },
      { name: 'prefers-reduced-motion', value: reducedMotion ? 'reduce' : 'no-preference' },
    ];
    await this.send('Emulation.setEmulatedMedia', { features });
  }

  async #loading(begin: () => Promise<unknown>): Promise<void> {
    const loaded = new Promise<void>((resolve) => {
      this.#events.set('Page.loadEventFired', resolve);
    });
    await begin();
    await loaded;
    await this.frame();
  }

  /** Waits until what was changed is drawn. */
  async frame(): Promise<void> {
    await this.evaluate(
      'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))',
    );
  }

  /** The value of an expression in the page; a promise is awaited. */
  async evaluate(expression: string): Promise<unknown> {
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', options);
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value?: unknown }).value;
  }

  /** Mouse events at a point of the window. */
  async mouse(type: 'mousePressed' | 'mouseMoved' | 'mouseReleased', x: number, y: number, clickCount = 1) {
    const pressed = type !== 'mouseMoved';
    await this.send('Input.dispatchMouseEvent', {
      type,
      x,
      y,
      ...(pressed && { button: 'left', clickCount }),
      buttons: type === 'mouseReleased' ? 0 : 1,
    });
  }

  /** Presses a key, such as `a`, `Enter` or `control+Enter`. */
  async key(keys: string): Promise<void> {
    const parts = keys === '+' ? ['+'] : keys.split('+');
    const key = parts.pop()!;
    const modifiers = parts.reduce((sum, part) => sum | MODIFIERS[part as keyof typeof MODIFIERS], 0);
    const text = key.length === 1 ? key : key === 'Enter' ? '\r' : undefined;
    const code = KEY_CODES[key];
    const codes = code === undefined ? {} : { windowsVirtualKeyCode: code, code: key };
    const event = { key, modifiers, ...codes };
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', ...event, ...(text && { text }) });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...event });
    await this.frame();
  }

  /** Writes a text where the focus is. */
  async type(text: string): Promise<void> {
    await this.send('Input.insertText', { text });
    await this.frame();
  }

  /** Clicks in the middle of the first element that a selector finds, wherever it is. */
  async click(selector: string): Promise<void> {
    const found = await this.evaluate(`(() => {
      const element = document.querySelector(${JSON.stringify(selector)});
      element?.scrollIntoView({ block: 'nearest' });
      const box = element?.getBoundingClientRect();
      return box && box.width > 0 ? [box.left + box.width / 2, box.top + box.height / 2] : undefined;
    })()`);
    if (!found) throw new Error(`nothing to click at ${selector}`);
    const [x, y] = found as [number, number];
    await this.mouse('mouseMoved', x, y);
    await this.mouse('mousePressed', x, y);
    await this.mouse('mouseReleased', x, y);
    await this.frame();
  }

  /** Waits until an expression in the page is true; fails after twenty seconds. */
  async until(expression: string): Promise<void> {
    for (let waited = 0; (await this.evaluate(expression)) !== true; waited += 20) {
      if (waited > 20_000) throw new Error(`this did not become true: ${expression}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Files that pages save go into this folder. */
  async saveTo(folder: string): Promise<void> {
    await this.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: folder });
  }

  async screenshot(): Promise<Buffer> {
    const { data } = await this.send('Page.captureScreenshot');
    return Buffer.from(data as string, 'base64');
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#session = undefined;
    await this.send('Browser.close');
    await ended;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #receive({ id, method, params = {}, ...rest }: Message): void {
    if (id !== undefined) {
      this.#waiting.get(id)?.(rest);
      this.#waiting.delete(id);
      return;
    }
    if (method === 'Runtime.exceptionThrown' || method === 'Runtime.consoleAPICalled')
      this.problems.push(JSON.stringify(params));
    if (method === 'Log.entryAdded') this.problems.push(JSON.stringify(params.entry));
    if (method === 'Network.requestWillBeSent') {
      const { url } = params.request as { url: string };
      if (!url.startsWith(this.#allowed) && !/^(data|blob):/.test(url))
        this.problems.push(`request to ${url}`);
    }
    this.#events.get(method ?? '')?.();
  }
}
