/** Texts of a number of characters, without quotes around them. */
import { afterRest, LEADS, type Rest } from './json-text.ts';
import { automaton, type Budget, type Edge, type Node } from './terminal.ts';

/** Characters of one byte that may stand in them: `<` begins what follows a text. */
const PLAIN: readonly (readonly [number, number])[] = [
  [0x09, 0x0a],
  [0x20, 0x3b],
  [0x3d, 0x7e],
];

interface Place {
  /** Characters that must still come, and that may. */
  least: number;
  most: number;
  /** Bytes that are to come of a character. */
  rest?: Rest | undefined;
}

/** Texts of `least` to `most` characters, counted as code points. The most must be finite. */
export function plainText(least: number, most: number, budget: Budget): Node {
  function* edges({ rest, ...left }: Place): Iterable<Edge<Place>> {
    if (rest) {
      yield [rest.first, rest.last, { ...left, rest: afterRest(rest) }];
      return;
    }
    if (left.most === 0) return;
    const next = { least: Math.max(0, left.least - 1), most: left.most - 1 };
    for (const [first, last] of PLAIN) yield [first, last, next];
    for (const [first, last, bytes] of LEADS) yield [first, last, { ...next, rest: bytes }];
  }
  return automaton<Place>(
    {
      start: { least, most },
      key: (place) => `${place.least} ${place.most} ${JSON.stringify(place.rest ?? null)}`,
      accepts: (place) => place.least === 0 && place.rest === undefined,
      edges,
    },
    budget,
  )!;
}
