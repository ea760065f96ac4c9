/** Where messages are written. */
import { byId } from './dom.ts';

export interface ComposerActions {
  send(text: string, answers: number): void;
  stop(): void;
}

export class Composer {
  readonly #field = byId('message', HTMLTextAreaElement);
  readonly #send = byId('send', HTMLButtonElement);
  readonly #stop = byId('stop', HTMLButtonElement);
  readonly #two = byId('two', HTMLButtonElement);
  readonly #actions: ComposerActions;
  #isRunning = false;

  constructor(actions: ComposerActions) {
    this.#actions = actions;
    byId('composer', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#field.addEventListener('keydown', (event) => {
      // While an input method composes, Enter chooses a word.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    this.#field.addEventListener('input', () => this.#fit());
    this.#stop.addEventListener('click', () => actions.stop());
    this.#two.addEventListener('click', () => {
      this.#two.setAttribute('aria-pressed', `${!this.#wantsTwo}`);
    });
    this.#fit();
  }

  focus(): void {
    this.#field.focus();
  }

  /** Shows the button that sends, or the one that stops. */
  set isRunning(isRunning: boolean) {
    const hadFocus = [this.#send, this.#stop].some((button) => button === document.activeElement);
    this.#isRunning = isRunning;
    this.#send.hidden = isRunning;
    this.#stop.hidden = !isRunning;
    if (hadFocus) this.focus();
  }

  get #wantsTwo(): boolean {
    return this.#two.getAttribute('aria-pressed') === 'true';
  }

  #submit(): void {
    const text = this.#field.value;
    if (text.trim() === '' || this.#isRunning) return;
    this.#field.value = '';
    this.#fit();
    this.#actions.send(text, this.#wantsTwo ? 2 : 1);
  }

  /** As high as its text. */
  #fit(): void {
    this.#send.disabled = this.#field.value.trim() === '';
    this.#field.style.height = 'auto';
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }
}
