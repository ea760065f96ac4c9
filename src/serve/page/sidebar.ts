/** The list of conversations: beside the thread, or above it where the window is narrow. */
import type { Conversation } from './conversation.ts';
import { byId, el } from './dom.ts';

export interface SidebarActions {
  open(id: string): void;
  begin(): void;
}

export class Sidebar {
  readonly #side = byId('sidebar', HTMLElement);
  readonly #stage = byId('stage', HTMLElement);
  readonly #shade = byId('shade', HTMLElement);
  readonly #opener = byId('open-side', HTMLButtonElement);
  readonly #list = byId('list', HTMLUListElement);
  readonly #narrow = matchMedia('(max-width: 860px)');
  readonly #actions: SidebarActions;

  constructor(actions: SidebarActions) {
    this.#actions = actions;
    this.#opener.addEventListener('click', () => {
      this.#show(true);
      byId('close-side', HTMLButtonElement).focus();
    });
    const close = () => this.#close();
    byId('close-side', HTMLButtonElement).addEventListener('click', close);
    this.#shade.addEventListener('click', close);
    byId('new', HTMLButtonElement).addEventListener('click', () => {
      this.#show(false);
      actions.begin();
    });
    this.#side.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.#narrow.matches) close();
    });
    this.#narrow.addEventListener('change', () => this.#show(false));
    this.#show(false);
  }

  show(conversations: readonly Conversation[], open: string): void {
    const items = conversations.map(({ id, title }) => {
      const current = { 'aria-current': id === open && 'true' };
      const click = () => {
        this.#show(false);
        this.#actions.open(id);
      };
      return el('li', {}, el('button', { type: 'button', ...current, title, click }, title));
    });
    this.#list.replaceChildren(...items);
  }

  #close(): void {
    this.#show(false);
    this.#opener.focus();
  }

  /** What is covered cannot be reached by the Tab key. */
  #show(isShown: boolean): void {
    const isOver = this.#narrow.matches && isShown;
    this.#side.classList.toggle('shown', isOver);
    this.#side.inert = this.#narrow.matches && !isShown;
    this.#stage.inert = isOver;
    this.#shade.hidden = !isOver;
    this.#opener.setAttribute('aria-expanded', `${isOver}`);
  }
}
