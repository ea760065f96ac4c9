/**
 * Coordinates of drawings. They are rounded, because more digits make the page larger, not better.
 * The margins have space for the labels in the larger type of a phone.
 */

export type Span = readonly [low: number, high: number];

export interface Frame {
  width: number;
  height: number;
  domain: Span;
  range: Span;
  x(value: number): number;
  y(value: number): number;
}

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP] = [560, 240, 64, 30, 12];

/** @param below space under the axis for labels */
export function frameOf(domain: Span, range: Span, below = 26): Frame {
  const along = (value: number) => (value - domain[0]) / (domain[1] - domain[0] || 1);
  const up = (value: number) => (value - range[0]) / (range[1] - range[0] || 1);
  return {
    width: WIDTH,
    height: HEIGHT,
    domain,
    range,
    x: (value) => round(LEFT + along(value) * (WIDTH - LEFT - RIGHT)),
    y: (value) => round(HEIGHT - below - up(value) * (HEIGHT - below - TOP)),
  };
}

function round(value: number): number {
  return Number(value.toFixed(1));
}

/** Three to seven round numbers in a span: multiples of 1, 2 or 5 times a power of ten. */
export function ticksOf([low, high]: Span): number[] {
  const size = high - low;
  if (!(size > 0) || !Number.isFinite(size)) return [low];
  const power = 10 ** Math.floor(Math.log10(size / 3));
  const step = [5, 2, 1].map((factor) => factor * power).find((candidate) => size / candidate >= 3) ?? power;
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Bins of equal width over all finite values, and the share of each list in each bin. */
export function binned(
  lists: readonly (readonly number[])[],
  bins: number,
): { edges: number[]; shares: number[][] } {
  const finite = lists.map((values) => values.filter(Number.isFinite));
  const bounds = finite
    .flat()
    .reduce<Span>(
      ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
      [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    );
  const [low, high] = bounds[0] < bounds[1] ? bounds : around(Number.isFinite(bounds[0]) ? bounds[0] : 0);
  const edges = Array.from({ length: bins + 1 }, (_, i) => low + ((high - low) * i) / bins);
  const shares = finite.map((values) => {
    const counts = new Array<number>(bins).fill(0);
    for (const value of values) {
      counts[Math.min(bins - 1, Math.floor(((value - low) / (high - low)) * bins))]! += 1;
    }
    return counts.map((count) => count / Math.max(1, values.length));
  });
  return { edges, shares };
}

/** The span of values, widened if all values are equal. */
function around(value: number): Span {
  return [value - 0.5, value + 0.5];
}

/** The outline of adjacent bars, as the `d` of an SVG path. */
export function areaPath({ x, y }: Frame, edges: readonly number[], heights: readonly number[]): string {
  const steps = heights.map((height, i) => `V${y(height)}H${x(edges[i + 1]!)}`);
  return `M${x(edges[0]!)} ${y(0)}${steps.join('')}V${y(0)}Z`;
}
