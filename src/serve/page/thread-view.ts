/** The messages that are shown. A view stays while its message does, with focus and state. */
import type { ThreadState, View } from './turn-views.ts';

/** How to make a view that is not there yet. */
export interface Entry {
  key: string;
  make(): View;
}

/** Pixels from the end within which the thread follows new text. */
const NEAR = 80;

export class ThreadView {
  readonly #thread: HTMLElement;
  readonly #scroller: HTMLElement;
  readonly #latest: HTMLButtonElement;
  #views: View[] = [];
  #follows = true;

  constructor(thread: HTMLElement, scroller: HTMLElement, latest: HTMLButtonElement) {
    this.#thread = thread;
    this.#scroller = scroller;
    this.#latest = latest;
    scroller.addEventListener('scroll', () => {
      this.#follows = this.#distance < NEAR;
      latest.hidden = this.#follows;
    });
    latest.addEventListener('click', () => this.toEnd());
  }

  /** Shows these entries, and brings all of them up to date. */
  show(entries: readonly Entry[], state: ThreadState): void {
    let same = 0;
    while (same < this.#views.length && this.#views[same]!.key === entries[same]?.key) ++same;
    const focused = document.activeElement;
    const hadFocus = this.#views.findIndex(({ element }) => element.contains(focused));
    const action = focused instanceof HTMLElement ? focused.dataset.action : undefined;
    for (const view of this.#views.splice(same)) {
      view.dispose?.();
      view.element.remove();
    }
    for (const entry of entries.slice(same)) {
      const view = entry.make();
      this.#views.push(view);
      this.#thread.append(view.element);
    }
    this.update(state);
    if (hadFocus >= same) this.#focus(Math.min(hadFocus, this.#views.length - 1), action);
  }

  update(state: ThreadState): void {
    for (const view of this.#views) view.update(state);
    if (this.#follows) this.toEnd();
  }

  /** Shows more of the answers that are being written. */
  progress(): void {
    for (const view of this.#views) view.progress?.();
    if (this.#follows) this.toEnd();
  }

  /** Forgets all views, as when another conversation is opened. */
  clear(): void {
    for (const view of this.#views.splice(0)) {
      view.dispose?.();
      view.element.remove();
    }
    this.#follows = true;
  }

  toEnd(): void {
    this.#follows = true;
    this.#latest.hidden = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** Moves the focus to the message before (-1) or after (1) the one that has it. */
  move(step: 1 | -1): void {
    const focused = this.#views.findIndex(({ element }) => element.contains(document.activeElement));
    const start = step > 0 ? -1 : this.#views.length;
    const next = this.#views[(focused < 0 ? start : focused) + step]?.element;
    next?.focus();
    next?.scrollIntoView({ block: 'nearest' });
  }

  /** The button that does what the focused one of the view before did, or the message. */
  #focus(index: number, action: string | undefined): void {
    const element = this.#views[index]?.element;
    // From the last version the arrow leads back only.
    const actions = action === 'left' || action === 'right' ? [action, 'left', 'right'] : [action];
    const buttons = actions.map((name) =>
      element?.querySelector<HTMLElement>(`[data-action="${name}"]:not(:disabled)`),
    );
    (buttons.find(Boolean) ?? element)?.focus();
  }

  get #distance(): number {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight;
  }
}
