/**
 * Light and dark: the system's choice, until the button says otherwise. Colors come from page.css.
 */

const root = document.documentElement;
const systemDark = matchMedia('(prefers-color-scheme: dark)');

/** The present value of one of the style's variables, such as `--ink`. */
export function color(name: string): string {
  return getComputedStyle(root).getPropertyValue(name).trim();
}

/** The color of the line with this index; after eight they begin anew. */
export function lineColor(index: number): string {
  return color(`--series-${(index % 8) + 1}`);
}

/** The same color, faint. */
export function faint(solid: string): string {
  return `${solid}4d`;
}

/** The theme that was chosen on this page; undefined where the system decides. */
export function chosenTheme(): string | undefined {
  return root.dataset.theme;
}

export function setTheme(theme: string | undefined): void {
  if (theme === undefined) delete root.dataset.theme;
  else root.dataset.theme = theme;
}

/** Changes from light to dark or back. */
export function switchTheme(): void {
  const now = chosenTheme() ?? (systemDark.matches ? 'dark' : 'light');
  setTheme(now === 'dark' ? 'light' : 'dark');
}

/** Calls back when the system's theme changes and the page follows it. */
export function onSystemTheme(changed: () => void): void {
  systemDark.addEventListener('change', () => {
    if (chosenTheme() === undefined) changed();
  });
}
