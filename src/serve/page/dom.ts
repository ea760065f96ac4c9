/** Small helpers around the DOM. Text becomes text nodes; nothing here takes markup. */

type Listener = (event: Event) => void;
export type Attributes = Readonly<Record<string, string | number | boolean | Listener | undefined>>;
export type Child = Node | string | false | undefined;

/** An element. A function is a listener, true an attribute without a value, false is none. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value !== undefined && value !== false)
      element.setAttribute(name, value === true ? '' : `${value}`);
  }
  element.append(...children.filter((child) => child !== false && child !== undefined));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** A drawing of page.html by its name. */
export function icon(name: string): SVGSVGElement {
  const drawing = document.createElementNS(SVG, 'svg');
  drawing.setAttribute('class', 'icon');
  drawing.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#i-${name}`);
  drawing.append(use);
  return drawing;
}

/** A button that is only a drawing; the label is its name and its tooltip. */
export function iconButton(
  label: string,
  drawing: string,
  click: Listener,
  attributes: Attributes = {},
): HTMLButtonElement {
  const named = { type: 'button', class: 'tool', 'aria-label': label, title: label, click };
  return el('button', { ...named, ...attributes }, icon(drawing));
}

/** An element of page.html. */
export function byId<T extends HTMLElement>(id: string, type: abstract new () => T): T {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new Error(`the page has no ${type.name} with the id ${id}`);
}

/** Says something to screen readers when they have nothing else to say. */
export function announce(text: string): void {
  const region = byId('announce', HTMLElement);
  // The same text again is news too.
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}

/** Copies text, also on a page without TLS, where there is no clipboard API. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = el('textarea', { class: 'unseen', 'aria-hidden': 'true', tabindex: -1 });
    const before = document.activeElement;
    field.value = text;
    document.body.append(field);
    field.select();
    const isCopied = document.execCommand('copy');
    field.remove();
    if (before instanceof HTMLElement) before.focus();
    return isCopied;
  }
}

/** A button that copies, and says so on itself for a moment. */
export function copyButton(label: string, text: () => string): HTMLButtonElement {
  const button = iconButton(label, 'copy', async () => {
    const isCopied = await copyText(text());
    announce(isCopied ? 'Copied.' : 'The browser did not allow copying.');
    button.replaceChildren(icon(isCopied ? 'check' : 'close'));
    setTimeout(() => button.replaceChildren(icon('copy')), 1500);
  });
  button.dataset.action = 'copy';
  return button;
}

/** Saves a text as a file of the user. */
export function saveFile(name: string, type: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  el('a', { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Asks in a dialog; false when it is closed without a yes. */
export function confirmed(question: string, yes: string): Promise<boolean> {
  return new Promise((resolve) => {
    const dialog = el('dialog', { class: 'small', 'aria-labelledby': 'confirm-question' });
    const close = (answer: boolean) => () => {
      resolve(answer);
      dialog.close();
    };
    dialog.append(
      el('p', { id: 'confirm-question' }, question),
      el(
        'div',
        { class: 'row end' },
        el('button', { type: 'button', class: 'quiet', click: close(false) }, 'Cancel'),
        el('button', { type: 'button', class: 'danger', click: close(true) }, yes),
      ),
    );
    dialog.addEventListener('close', () => {
      resolve(false);
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
