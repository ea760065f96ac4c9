/**
 * HTML that is safe by construction: every value in a template is escaped, unless it
 * is Html itself.
 */
import { visible } from './terminal-text.ts';

export class Html {
  constructor(readonly text: string) {}
}

export type HtmlValue = Html | string | number | readonly HtmlValue[] | undefined;

/** html`<p>${text}</p>`; lists are joined, undefined becomes nothing. */
export function html(strings: TemplateStringsArray, ...values: HtmlValue[]): Html {
  return new Html(String.raw({ raw: strings }, ...values.map(render)));
}

function render(value: HtmlValue): string {
  if (value instanceof Html) return value.text;
  if (value === undefined) return '';
  if (typeof value === 'string' || typeof value === 'number') return escapeHtml(String(value));
  return value.map(render).join('');
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const control = /[^\P{Cc}\n\t]/gu;

/** Escapes text and attributes. Control characters, which HTML forbids, become visible ones. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]!).replace(control, visible);
}

/** JSON for a script element: no text in it can end the element or begin a comment. */
export function scriptJson(value: unknown): Html {
  return new Html(JSON.stringify(value).replaceAll('<', '\\u003c'));
}
