/** Two answers to one prompt, side by side, until one is chosen. */
import type { AnswerTurn } from './conversation.ts';
import { el } from './dom.ts';
import { messageOf } from './feedback-form.ts';
import { IdempotencyKeys } from './idempotency.ts';
import { AnswerBody, type ThreadState, type View } from './turn-views.ts';

export type Choice = 'first' | 'second' | 'tie' | 'neither';

export interface Verdict {
  choice: Choice;
  /** Can be empty. */
  reason: string;
}

export interface PairActions {
  /** Records the choice if the server does that, and goes on with one answer. Throws ApiFailure. */
  decide(verdict: Verdict, key: string): Promise<void>;
}

const CHOICES: readonly [Choice, string][] = [
  ['first', 'A is better'],
  ['second', 'B is better'],
  ['tie', 'Both alike'],
  ['neither', 'Neither is good'],
];

export function pairKey(first: AnswerTurn, second: AnswerTurn): string {
  return `${first.id} ${second.id}`;
}

export class PairView implements View {
  readonly key: string;
  readonly element: HTMLElement;
  readonly #bodies: AnswerBody[];
  readonly #buttons: HTMLButtonElement[];
  readonly #reason: HTMLInputElement;
  readonly #question = el('legend');
  readonly #problem = el('p', { class: 'problem', role: 'alert' });
  readonly #turns: readonly AnswerTurn[];

  constructor(first: AnswerTurn, second: AnswerTurn, actions: PairActions) {
    this.key = pairKey(first, second);
    this.#turns = [first, second];
    this.#bodies = this.#turns.map((turn) => new AnswerBody(turn));
    this.#reason = el('input', {
      ...{ type: 'text', class: 'grow', maxlength: 4000 },
      ...{ 'aria-label': 'Why? Optional', placeholder: 'Why? (optional)' },
    });
    const keys = new IdempotencyKeys();
    const decide = async (choice: Choice) => {
      this.#problem.textContent = '';
      try {
        const verdict = { choice, reason: this.#reason.value.trim() };
        await actions.decide(verdict, keys.of(verdict));
      } catch (error) {
        this.#problem.textContent = `It was not recorded: ${messageOf(error)}`;
      }
    };
    this.#buttons = CHOICES.map(([choice, label]) => {
      const button = el('button', { type: 'button', class: 'quiet', click: () => decide(choice) }, label);
      button.dataset.choice = choice;
      return button;
    });
    const columns = this.#bodies.map(({ element }, i) => {
      const name = `Answer ${'AB'[i]}`;
      return el('section', { class: 'column', 'aria-label': name }, el('h3', {}, name), element);
    });
    this.element = el(
      'article',
      { class: 'turn pair', tabindex: -1, 'aria-label': 'Two answers' },
      el('h2', { class: 'unseen' }, 'Two answers'),
      el('div', { class: 'columns' }, ...columns),
      el(
        'fieldset',
        { class: 'vote' },
        this.#question,
        el('div', { class: 'row' }, ...this.#buttons),
        el('div', { class: 'row' }, this.#reason),
      ),
      this.#problem,
    );
  }

  progress(): void {
    for (const body of this.#bodies) body.update();
  }

  update({ isRunning, takesFeedback }: ThreadState): void {
    this.progress();
    const isOff = takesFeedback === false;
    this.#question.textContent = isOff ? 'Go on with which answer?' : 'Which answer is better?';
    this.#reason.hidden = isOff;
    for (const [i, button] of this.#buttons.entries()) {
      button.disabled = isRunning;
      button.hidden = isOff && i > 1;
      button.textContent = isOff && i < 2 ? `Answer ${'AB'[i]}` : CHOICES[i]![1];
    }
  }
}
