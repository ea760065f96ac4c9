/** Light and dark: the system's choice until the button says otherwise. */

const STORED = 'athanor.theme';

export function wireTheme(button: HTMLButtonElement): void {
  const root = document.documentElement;
  const stored = localStorage.getItem(STORED);
  if (stored === 'light' || stored === 'dark') root.dataset.theme = stored;
  button.addEventListener('click', () => {
    const system = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
    const next = (root.dataset.theme ?? system) === 'dark' ? 'light' : 'dark';
    // The system's own choice again: follow it from now on.
    if (next === system) {
      delete root.dataset.theme;
      localStorage.removeItem(STORED);
    } else {
      root.dataset.theme = next;
      localStorage.setItem(STORED, next);
    }
  });
}
