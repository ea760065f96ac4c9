/** The views of single messages. A view stays in the page while its message is shown. */
import {
  type AnswerTurn,
  type Conversation,
  childrenOf,
  type GivenFeedback,
  type Turn,
  type UserTurn,
} from './conversation.ts';
import { copyButton, el, iconButton } from './dom.ts';
import { feedbackForm } from './feedback-form.ts';
import { MarkdownView } from './markdown-view.ts';
import { tokensView } from './tokens-view.ts';

/** What the views need to know. */
export interface ThreadState {
  conversation: Conversation;
  /** Whether an answer of this conversation is being written. */
  isRunning: boolean;
  /** Whether the server records feedback; undefined until it is known. */
  takesFeedback: boolean | undefined;
}

/** What the views can ask for. */
export interface ThreadActions {
  edit(turn: UserTurn, text: string): void;
  choose(turn: Turn): void;
  regenerate(turn: AnswerTurn): void;
  compare(turn: AnswerTurn, other: AnswerTurn): void;
  /** Throws ApiFailure. */
  sendFeedback(turn: AnswerTurn, feedback: GivenFeedback, key: string): Promise<void>;
}

/** A part of the thread. */
export interface View {
  readonly key: string;
  readonly element: HTMLElement;
  update(state: ThreadState): void;
  /** Shows more of an answer that is being written. */
  progress?(): void;
  dispose?(): void;
}

const NOTES: Readonly<Record<string, string>> = {
  length: 'The answer reached the longest length.',
  stopped: 'You stopped this answer.',
  lost: 'The connection was lost here.',
  content_filter: 'The checks of the server ended this answer.',
};

const VOTES = {
  better: 'You preferred this answer.',
  worse: 'You preferred the other answer.',
  tie: 'You found both answers alike.',
  neither: 'You found neither answer good.',
} as const;

/** Whether an answer came to its end, so that it can be judged. */
export function isWhole({ finish, answer }: AnswerTurn): boolean {
  return answer !== undefined && finish !== undefined && finish !== 'stopped' && finish !== 'lost';
}

export class UserView implements View {
  readonly key: string;
  readonly element: HTMLElement;
  readonly #turn: UserTurn;
  readonly #actions: ThreadActions;
  readonly #tools = el('div', { class: 'tools', role: 'group', 'aria-label': 'Your message' });
  readonly #body: HTMLElement;

  constructor(turn: UserTurn, actions: ThreadActions) {
    this.key = turn.id;
    this.#turn = turn;
    this.#actions = actions;
    this.#body = el('div', { class: 'bubble' }, turn.text);
    this.element = turnElement('user', 'You', this.#body, this.#tools);
  }

  update(state: ThreadState): void {
    const turn = this.#turn;
    const edit = iconButton('Edit and ask again', 'edit', () => this.#edit(), { disabled: state.isRunning });
    edit.dataset.action = 'edit';
    const buttons = [
      ...siblingButtons(state, turn, this.#actions),
      copyButton('Copy the message', () => turn.text),
    ];
    replaceTools(this.#tools, [...buttons, edit]);
  }

  #edit(): void {
    const field = el('textarea', { 'aria-label': 'Edited message', rows: 3 });
    field.value = this.#turn.text;
    const close = () => {
      form.replaceWith(this.#body);
      this.#tools.hidden = false;
      this.#tools.querySelector<HTMLElement>('[data-action=edit]')?.focus();
    };
    const form = el(
      'form',
      { class: 'edit' },
      field,
      el(
        'div',
        { class: 'row end' },
        el('button', { type: 'button', class: 'quiet', click: close }, 'Cancel'),
        el('button', { class: 'primary' }, 'Ask again'),
      ),
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (field.value.trim() !== '') this.#actions.edit(this.#turn, field.value);
    });
    form.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      close();
    });
    this.#body.replaceWith(form);
    this.#tools.hidden = true;
    field.focus();
  }
}

/** The text of an answer while it is written and after. */
export class AnswerBody {
  readonly element = el('div', { class: 'answer-body' });
  readonly #turn: AnswerTurn;
  readonly #text = new MarkdownView();
  readonly #note = el('p', { class: 'note' });
  readonly #waiting = el(
    'p',
    { class: 'waiting' },
    el('span', { class: 'unseen' }, 'The model is answering'),
  );
  #tokens: HTMLElement | undefined;

  constructor(turn: AnswerTurn) {
    this.#turn = turn;
    this.element.append(this.#text.element, this.#waiting, this.#note);
  }

  get showsTokens(): boolean {
    return this.#tokens !== undefined;
  }

  update(): void {
    const { text, finish } = this.#turn;
    this.#text.show(text);
    this.#waiting.hidden = finish !== undefined;
    this.#waiting.classList.toggle('inline', text !== '');
    const note = text === '' && finish === 'stop' ? 'The answer is empty.' : (NOTES[finish ?? ''] ?? '');
    this.#note.textContent = note;
    this.#note.hidden = note === '';
  }

  /** Changes between the text and its tokens. */
  toggleTokens(): void {
    if (this.#tokens) {
      this.#tokens.replaceWith(this.#text.element);
      this.#tokens = undefined;
      return;
    }
    this.#tokens = tokensView(`tokens-${this.#turn.id}`, this.#turn.tokens ?? []);
    this.#text.element.replaceWith(this.#tokens);
  }
}

export class AnswerView implements View {
  readonly key: string;
  readonly element: HTMLElement;
  readonly #turn: AnswerTurn;
  readonly #actions: ThreadActions;
  readonly #body: AnswerBody;
  readonly #tools = el('div', { class: 'tools', role: 'group', 'aria-label': 'This answer' });
  readonly #thanks = el('p', { class: 'note' });
  readonly #place = el('div', { class: 'place' });
  #state: ThreadState | undefined;
  /** Whether the tokens were shown once by themselves. */
  #isOffered = false;

  constructor(turn: AnswerTurn, actions: ThreadActions) {
    this.key = turn.id;
    this.#turn = turn;
    this.#actions = actions;
    this.#body = new AnswerBody(turn);
    const parts = [this.#body.element, this.#tools, this.#thanks, this.#place];
    this.element = turnElement('answer', turn.model ?? 'Answer', ...parts);
    // An answer from before is shown as text.
    this.#isOffered = turn.finish !== undefined;
  }

  update(state: ThreadState): void {
    this.#state = state;
    const turn = this.#turn;
    this.#body.update();
    if (turn.finish !== undefined && turn.tokens && !this.#isOffered) {
      this.#isOffered = true;
      this.#body.toggleTokens();
    }
    const said: string[] = turn.vote ? [VOTES[turn.vote]] : [];
    if (turn.feedback) said.push('Your feedback was recorded.');
    this.#thanks.textContent = said.join(' ');
    this.#thanks.hidden = said.length === 0;
    this.#tools.hidden = turn.finish === undefined;
    if (turn.finish !== undefined) replaceTools(this.#tools, this.#buttons(state));
  }

  progress(): void {
    if (this.#turn.finish === undefined) this.#body.update();
  }

  #buttons(state: ThreadState): HTMLElement[] {
    const turn = this.#turn;
    const actions = this.#actions;
    const disabled = state.isRunning;
    const buttons = [
      ...siblingButtons(state, turn, actions),
      copyButton('Copy the answer', () => turn.text),
      named(
        'again',
        iconButton('Ask for another answer', 'again', () => actions.regenerate(turn), { disabled }),
      ),
    ];
    const other = otherOf(state.conversation, turn);
    if (other && isWhole(turn)) {
      const compare = () => actions.compare(turn, other);
      buttons.push(
        named('compare', iconButton('Compare with the other answer', 'pair', compare, { disabled })),
      );
    }
    if (turn.tokens) {
      const label = 'Show how likely each token was';
      const pressed = { 'aria-pressed': `${this.#body.showsTokens}` };
      buttons.push(
        named(
          'tokens',
          iconButton(label, 'chance', () => this.#toggleTokens(), pressed),
        ),
      );
    }
    if (!isWhole(turn) || state.takesFeedback !== true) return buttons;
    const { rating, correction } = turn.feedback ?? {};
    const rate = (value: 1 | -1) => ({ 'aria-pressed': `${rating === value}` });
    return [
      ...buttons,
      named(
        'up',
        iconButton('Good answer', 'up', () => this.#open('up', 1, false), rate(1)),
      ),
      named(
        'down',
        iconButton('Bad answer', 'down', () => this.#open('down', -1, false), rate(-1)),
      ),
      named(
        'better',
        iconButton('Write a better answer', 'better', () => this.#open('better', rating, true), {
          'aria-pressed': `${correction !== undefined}`,
        }),
      ),
    ];
  }

  #toggleTokens(): void {
    this.#body.toggleTokens();
    if (this.#state) this.update(this.#state);
  }

  #open(action: string, rating: 1 | -1 | undefined, isCorrection: boolean): void {
    const turn = this.#turn;
    const close = () => {
      this.#place.replaceChildren();
      this.#tools.querySelector<HTMLElement>(`[data-action=${action}]`)?.focus();
    };
    const form = feedbackForm({
      ...{ id: `feedback-${turn.id}`, given: turn.feedback, rating, text: turn.text, isCorrection },
      send: async (feedback, key) => {
        await this.#actions.sendFeedback(turn, feedback, key);
        close();
      },
      cancel: close,
    });
    this.#place.replaceChildren(form);
    const first = isCorrection ? 'details textarea' : 'input[type=radio]:checked';
    form.querySelector<HTMLElement>(first)?.focus();
    form.scrollIntoView({ block: 'nearest' });
  }
}

/** The answer to compare with: the one before it to the same prompt, or else the one after. */
function otherOf(conversation: Conversation, turn: AnswerTurn): AnswerTurn | undefined {
  const siblings = childrenOf(conversation, turn.parent);
  const index = siblings.indexOf(turn);
  return [siblings[index - 1], siblings[index + 1]].find(
    (other): other is AnswerTurn =>
      other?.kind === 'answer' && isWhole(other) && other.system === turn.system,
  );
}

function turnElement(kind: string, name: string, ...parts: HTMLElement[]): HTMLElement {
  return el(
    'article',
    {
      class: `turn ${kind}`,
      tabindex: -1,
      'aria-label': kind === 'user' ? 'Your message' : `Answer of ${name}`,
    },
    el('h2', { class: 'unseen' }, kind === 'user' ? 'You' : name),
    ...parts,
  );
}

function named(action: string, button: HTMLButtonElement): HTMLButtonElement {
  button.dataset.action = action;
  return button;
}

/** Puts new buttons in place; the focus stays on the one that had it. */
function replaceTools(tools: HTMLElement, buttons: readonly HTMLElement[]): void {
  const focused = document.activeElement;
  const action =
    focused instanceof HTMLElement && tools.contains(focused) ? focused.dataset.action : undefined;
  tools.replaceChildren(...buttons);
  if (action) tools.querySelector<HTMLElement>(`[data-action=${action}]:not(:disabled)`)?.focus();
}

/** The arrows between a message and its siblings; none without siblings. */
function siblingButtons({ conversation, isRunning }: ThreadState, turn: Turn, actions: ThreadActions) {
  const siblings = childrenOf(conversation, turn.parent);
  if (siblings.length < 2) return [];
  const index = siblings.indexOf(turn);
  const arrow = (action: string, label: string, other: Turn | undefined) => {
    const disabled = isRunning || !other;
    const button = iconButton(label, action, () => other && actions.choose(other), { disabled });
    return named(action, button);
  };
  return [
    el(
      'div',
      { class: 'siblings', role: 'group', 'aria-label': 'Versions' },
      arrow('left', 'The version before', siblings[index - 1]),
      el('span', {}, `${index + 1}/${siblings.length}`),
      arrow('right', 'The version after', siblings[index + 1]),
    ),
  ];
}
