/** What went wrong, in words, and what can be done about it. */
import type { ApiFailure } from './api.ts';
import { el } from './dom.ts';

export interface FailureOptions {
  failure: ApiFailure;
  /** Whether a key was sent. */
  hasKey: boolean;
  retry(): void;
  /** Takes an API key, and tries again with it. */
  useKey(key: string, isKept: boolean): void;
}

/** Replaced by another view, it stops counting. */
export interface FailureView {
  element: HTMLElement;
  dispose(): void;
}

const TITLES: Readonly<Record<number, string>> = {
  0: 'No connection',
  401: 'This server asks for an API key',
  403: 'The server refused the request',
  413: 'The conversation is too large for the server',
  429: 'A limit of the server is reached',
  503: 'The server is busy',
};

export function failureView({ failure, hasKey, retry, useKey }: FailureOptions): FailureView {
  const isWrongKey = failure.status === 401 && hasKey;
  const title = isWrongKey ? 'This API key is not valid' : (TITLES[failure.status] ?? 'The answer failed');
  const retryButton = el('button', { type: 'button', class: 'primary', click: retry }, 'Try again');
  const dispose = countDown(retryButton, failure.retryAfter ?? 0);
  const element = el(
    'section',
    { class: failure.status === 401 ? 'failure asks' : 'failure', role: 'alert' },
    el('h3', {}, title),
    el('p', {}, sentence(failure)),
    failure.status === 401 ? keyForm(useKey) : el('div', { class: 'row' }, retryButton),
  );
  return { element, dispose };
}

function sentence({ status, code, message, retryAfter }: ApiFailure): string {
  if (status === 401)
    return 'It is sent to this server only, in a header, and never becomes part of an address.';
  if (code === 'lost') return `${message} What came so far is kept.`;
  const text = `${message.charAt(0).toUpperCase()}${message.slice(1)}`.replace(/([^.!?])$/, '$1.');
  return retryAfter ? `${text} It asks to wait ${retryAfter} seconds.` : text;
}

/** Counts on the button; screen readers hear the number once, in the sentence. */
function countDown(button: HTMLButtonElement, seconds: number): () => void {
  if (seconds <= 0) return () => {};
  const end = performance.now() + seconds * 1000;
  const show = () => {
    const left = Math.ceil((end - performance.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Try again in ${left} s` : 'Try again';
    if (left <= 0) clearInterval(timer);
  };
  const timer = setInterval(show, 250);
  show();
  return () => clearInterval(timer);
}

/** The field for a key, and the choice how long it is kept. */
export function keyForm(use: (key: string, isKept: boolean) => void): HTMLFormElement {
  const field = el('input', {
    ...{ type: 'password', required: true, autocomplete: 'off', spellcheck: 'false' },
    ...{ class: 'grow', 'aria-label': 'API key', placeholder: 'API key' },
  });
  const keep = el('input', { type: 'checkbox' });
  const form = el(
    'form',
    { class: 'key-form' },
    el('div', { class: 'row' }, field, el('button', { class: 'primary' }, 'Use this key')),
    el(
      'label',
      { class: 'check' },
      keep,
      'Keep it until this tab is closed, also when the page is loaded again',
    ),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    use(field.value.trim(), keep.checked);
  });
  return form;
}
