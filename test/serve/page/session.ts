/** The chat page in a browser, in front of a real server. */
import { Browser, findBrowser, type Look } from '../../helpers/browser.ts';
import { ChatFront } from './chat-front.ts';

export const program = findBrowser();

export class Session {
  readonly browser: Browser;
  front!: ChatFront;
  readonly #target: string;

  private constructor(browser: Browser, target: string) {
    this.browser = browser;
    this.#target = target;
  }

  /** @param target the address of the real server */
  static async start(target: string): Promise<Session> {
    return new Session(await Browser.start(program!), target);
  }

  /** The page as a new user sees it: a new port is a new origin, with nothing stored. */
  async begin(look: Look = {}, target = this.#target): Promise<ChatFront> {
    await this.front?.close();
    this.front = await ChatFront.start(target);
    await this.open(look);
    return this.front;
  }

  /** Opens the page; what it stored before is there. */
  async open(look: Look = {}): Promise<void> {
    await this.browser.open(this.front.url, look);
    await this.browser.until(`document.documentElement.dataset.ready === 'true'`);
    this.browser.problems.length = 0;
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.front?.close();
  }

  /** Writes a message and sends it with Enter. */
  async send(text: string): Promise<void> {
    await this.browser.evaluate(`document.getElementById('message').focus()`);
    await this.browser.type(text);
    await this.browser.key('Enter');
  }

  /** Sends a message, and waits until its answer is complete. */
  async ask(text: string): Promise<void> {
    await this.send(text);
    await this.browser.until(`document.getElementById('stop').hidden`);
    await this.browser.frame();
  }

  async text(selector: string): Promise<string> {
    return String(
      await this.browser.evaluate(`document.querySelector(${JSON.stringify(selector)})?.innerText`),
    );
  }

  async texts(selector: string): Promise<string[]> {
    const list = `[...document.querySelectorAll(${JSON.stringify(selector)})].map((one) => one.innerText)`;
    return (await this.browser.evaluate(list)) as string[];
  }

  async has(selector: string): Promise<boolean> {
    return (await this.browser.evaluate(`!!document.querySelector(${JSON.stringify(selector)})`)) === true;
  }

  /** Waits for an element. */
  async appears(selector: string): Promise<void> {
    await this.browser.until(`!!document.querySelector(${JSON.stringify(selector)})`);
  }

  /** Presses Tab until the focus is on an element; fails when it never comes there. */
  async tabTo(selector: string): Promise<void> {
    for (let steps = 0; steps < 80; ++steps) {
      await this.browser.key('Tab');
      if (await this.browser.evaluate(`document.activeElement?.matches(${JSON.stringify(selector)})`)) return;
    }
    throw new Error(`the Tab key does not reach ${selector}`);
  }

  /** What the browser's console has, without the failures that a test provokes. */
  get problems(): string[] {
    return this.browser.problems.filter((problem) => !problem.includes('Failed to load resource'));
  }
}
