/** All charts of the page, with the view that the controls set. */
import type { AxisName, PageData } from '../page-data.ts';
import { type Chart, drawChart, heightOf } from './chart.ts';
import { moveCursor, zoomed } from './keyboard.ts';
import { domainOf, type Range } from './scales.ts';
import type { View } from './series.ts';

export class Board {
  readonly #data: PageData;
  readonly #reset: HTMLButtonElement;
  readonly #announce: HTMLElement;
  readonly #zooms = new Map<string, Range>();
  #charts: Chart[] = [];
  #view: View = { axis: 'step', keep: 0, logarithmic: false };

  /**
   * @param reset the button that shows everything again; @param announce read aloud by screen
   * readers
   */
  constructor(data: PageData, { reset, announce }: { reset: HTMLButtonElement; announce: HTMLElement }) {
    this.#data = data;
    this.#reset = reset;
    this.#announce = announce;
    reset.addEventListener('click', () => this.showAll());
    for (const { id } of data.charts) {
      document.getElementById(`chart-${id}`)!.addEventListener('keydown', (event) => this.#onKey(event));
    }
  }

  /** Draws every chart anew with a changed view. */
  show(change: Partial<View> = {}): void {
    const axis: AxisName = change.axis ?? this.#view.axis;
    if (axis !== this.#view.axis) this.#zooms.clear();
    this.#view = { ...this.#view, ...change };
    for (const { plot } of this.#charts) plot.destroy();
    this.#charts = this.#data.charts.flatMap((spec) => {
      const { group } = spec;
      const place = {
        range: () => this.#zooms.get(group) ?? this.#domain(group),
        choose: (range: Range | undefined) => this.#zoom(group, range),
      };
      return drawChart(spec, this.#data, this.#view, place) ?? [];
    });
    this.#reset.disabled = this.#zooms.size === 0;
    document.documentElement.dataset.charts = String(this.#charts.length);
  }

  /** Ends every zoom. */
  showAll(): void {
    for (const group of [...this.#zooms.keys()]) this.#zoom(group, undefined);
  }

  /** Fits the charts to their elements, or to a width in pixels. */
  fit(width?: number): void {
    for (const { spec, plot } of this.#charts) {
      const wide = width ?? plot.root.parentElement!.clientWidth;
      plot.setSize({ width: wide, height: heightOf(spec, wide) });
    }
  }

  #domain(group: string): Range {
    return domainOf(group, this.#data, this.#view.axis);
  }

  #zoom(group: string, range: Range | undefined): void {
    if (range) this.#zooms.set(group, range);
    else this.#zooms.delete(group);
    this.#reset.disabled = this.#zooms.size === 0;
    const [min, max] = range ?? this.#domain(group);
    for (const { spec, plot } of this.#charts) {
      if (spec.group === group) plot.setScale('x', { min, max });
    }
  }

  #onKey(event: KeyboardEvent): void {
    const chart = this.#charts.find(({ plot }) => plot.root.parentElement === event.currentTarget);
    if (!chart) return;
    const { plot, spec } = chart;
    const words = moveCursor(plot, event);
    if (words !== undefined) this.#announce.textContent = words;
    else if (['+', '=', '-'].includes(event.key)) {
      this.#zoom(spec.group, zoomed(plot, event.key, this.#domain(spec.group)));
    } else if (event.key === 'Escape') this.#zoom(spec.group, undefined);
    else return;
    event.preventDefault();
  }
}
