/**
 * What runs in the browser: draws the charts that the page's data lists, and works the controls.
 */
import type { AxisName, PageData } from '../page-data.ts';
import { Board } from './board.ts';
import { chosenTheme, onSystemTheme, setTheme, switchTheme } from './theme.ts';

/** Pixels between the margins of a printed page. */
const PAPER_WIDTH = 640;

const data = JSON.parse(document.getElementById('data')!.textContent!) as PageData;
const board = data.charts.length > 0 ? chartBoard(data) : undefined;

document.getElementById('theme')!.addEventListener('click', () => {
  switchTheme();
  board?.show();
});
onSystemTheme(() => board?.show());
if (board) printLight(board);

/** The charts, wired to the controls above them. */
function chartBoard(shown: PageData): Board {
  const smoothing = document.getElementById('smoothing') as HTMLInputElement;
  const output = document.getElementById('smoothing-value')!;
  const logarithmic = document.getElementById('log') as HTMLInputElement | null;
  const made = new Board(shown, {
    reset: document.getElementById('reset') as HTMLButtonElement,
    announce: document.getElementById('announce')!,
  });
  const show = () => {
    const keep = Number(smoothing.value);
    output.textContent = keep === 0 ? 'off' : keep.toFixed(2);
    made.show({ keep, logarithmic: logarithmic?.checked ?? false });
  };
  smoothing.addEventListener('input', show);
  logarithmic?.addEventListener('input', show);
  for (const input of document.querySelectorAll<HTMLInputElement>('input[name=axis]')) {
    input.addEventListener('change', () => made.show({ axis: input.value as AxisName }));
  }
  let waiting = 0;
  new ResizeObserver(() => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => made.fit());
  }).observe(document.querySelector('.charts')!);
  show();
  return made;
}

/** On paper the page is light, and the charts are as wide as the paper. */
function printLight(shown: Board): void {
  let before: string | undefined;
  addEventListener('beforeprint', () => {
    before = chosenTheme();
    setTheme('light');
    shown.show();
    shown.fit(PAPER_WIDTH);
  });
  addEventListener('afterprint', () => {
    setTheme(before);
    shown.show();
  });
}
