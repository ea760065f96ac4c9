/** An answer by its tokens, each with how likely it was. */
import type { TokenReport } from './conversation.ts';
import { el } from './dom.ts';
import { LEVELS, levelOf, type Piece, percent, piecesOf, visible } from './tokens.ts';

/** A listbox: one stop of the Tab key, and arrow keys go from token to token. */
export function tokensView(id: string, reports: readonly TokenReport[]): HTMLElement {
  const pieces = piecesOf(reports);
  const readout = el('p', { class: 'readout' }, 'Point at a token, or use the arrow keys.');
  const options = pieces.map((piece, i) => option(`${id}-${i}`, piece));
  const box = el(
    'div',
    { class: 'tokens', role: 'listbox', tabindex: 0, 'aria-label': 'Tokens of the answer' },
    ...options,
  );
  let active = -1;
  const show = (index: number) => {
    options[active]?.removeAttribute('aria-selected');
    active = index;
    const chosen = options[index]!;
    chosen.setAttribute('aria-selected', 'true');
    box.setAttribute('aria-activedescendant', chosen.id);
    readout.replaceChildren(...readoutOf(pieces[index]!));
  };
  box.addEventListener('mouseover', (event) => {
    const index = event.target instanceof HTMLElement ? options.indexOf(event.target) : -1;
    if (index >= 0) show(index);
  });
  box.addEventListener('focus', () => {
    if (active < 0 && options.length > 0) show(0);
  });
  box.addEventListener('keydown', (event) => {
    const last = options.length - 1;
    const steps: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    const ends: Record<string, number> = { Home: 0, End: last };
    const step = steps[event.key];
    const next = step === undefined ? ends[event.key] : Math.min(last, Math.max(0, active + step));
    if (next === undefined || last < 0) return;
    event.preventDefault();
    show(next);
    options[next]!.scrollIntoView({ block: 'nearest' });
  });
  return el('div', { class: 'tokens-view' }, legend(), box, readout);
}

function option(id: string, piece: Piece): HTMLElement {
  const level = levelOf(piece.logProb);
  const label = `${visible(piece.text)}, ${percent(piece.logProb)}`;
  return el('span', { id, role: 'option', class: `token ${level}`, 'aria-label': label }, piece.text);
}

function readoutOf({ text, logProb, tokens, others }: Piece): (Node | string)[] {
  const parts: (Node | string)[] = [
    el('code', {}, visible(text)),
    el('strong', {}, ` ${percent(logProb)}`),
    ` · log-probability ${logProb.toFixed(3).replace('-', '−')}`,
  ];
  if (tokens > 1) parts.push(`, ${tokens} tokens together`);
  if (others.length > 0) {
    parts.push(el('span', { class: 'others' }, ' · instead of ', ...others.flatMap(otherOf)));
  }
  return parts;
}

function otherOf({ text, logProb }: { text: string; logProb: number }, index: number): (Node | string)[] {
  return [index > 0 ? ', ' : '', el('code', {}, visible(text)), ` ${percent(logProb)}`];
}

function legend(): HTMLElement {
  const keys = LEVELS.map(({ name, label }) =>
    el('li', {}, el('span', { class: `token ${name}`, 'aria-hidden': 'true' }, 'token'), ` ${label}`),
  );
  return el('div', { class: 'legend' }, el('span', {}, 'Probability of each token:'), el('ul', {}, ...keys));
}
