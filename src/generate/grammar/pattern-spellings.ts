/** Characters of patterns as the bytes that spell them inside of a JSON string. */
import { afterRest, escapeOf, LEADS, type Rest } from './json-text.ts';
import type { Characters } from './pattern-parser.ts';

/** Bytes that are still to come: ranges, one per byte. */
export type Bytes = readonly (readonly [first: number, last: number])[];

/** The spellings of some characters in a JSON string. Each character has one. */
export function spellings(set: Characters): Bytes[] {
  const out: Bytes[] = [];
  for (const [first, last] of set) {
    for (let point = first; point <= Math.min(last, 0x5c); ++point) {
      const escaped = escapeOf(point);
      if (escaped !== undefined) addSpelling(out, [...Buffer.from(escaped)]);
    }
    for (const [from, to] of [
      [0x20, 0x21],
      [0x23, 0x5b],
      [0x5d, 0x7f],
    ] as const) {
      if (first <= to && last >= from) out.push([[Math.max(first, from), Math.min(last, to)]]);
    }
    if (last >= 0x80) out.push(...utf8Ranges(Math.max(first, 0x80), last));
  }
  return out;
}

/** Adds an escape. Those that differ in their last byte alone are one: \u0010 to \u0019. */
function addSpelling(out: Bytes[], bytes: readonly number[]): void {
  const beginning = bytes.slice(0, -1).map((byte) => [byte, byte] as const);
  const last = bytes.at(-1)!;
  const before = out.at(-1) ?? [];
  const [from, to] = before.at(-1) ?? [-1, -1];
  const isAlike = bytes.length === 6 && to === last - 1 && String(before.slice(0, -1)) === String(beginning);
  if (isAlike) out[out.length - 1] = [...beginning, [from, last]];
  else out.push([...beginning, [last, last]]);
}

/** By the number of bytes after the second: the bits of the character in a lead byte. */
const LEAD_MASK: readonly number[] = [0x1f, 0x0f, 0x07];

/** The UTF-8 of a range of characters from 0x80 on. */
function utf8Ranges(first: number, last: number): Bytes[] {
  const out: Bytes[] = [];
  for (const [firstLead, lastLead, rest] of LEADS) {
    const bits = 6 * (rest.more + 1);
    const mask = (1 << bits) - 1;
    for (let lead = firstLead; lead <= lastLead; ++lead) {
      const base = (lead & LEAD_MASK[rest.more]!) << bits;
      const [from, to] = [Math.max(first, base), Math.min(last, base + mask)];
      if (from > to) continue;
      for (const tail of tails(from & mask, to & mask, rest)) {
        const before = out.at(-1);
        const [firstByte = [-1, -1], ...others] = before ?? [];
        const isAlike = firstByte[1] === lead - 1 && String(others) === String(tail);
        if (isAlike) out[out.length - 1] = [[firstByte[0], lead], ...tail];
        else out.push([[lead, lead], ...tail]);
      }
    }
  }
  return out;
}

/** The continuation bytes of the numbers from `low` to `high`. */
function tails(low: number, high: number, rest: Rest): Bytes[] {
  const shift = 6 * rest.more;
  const [first, last] = [0x80 | (low >> shift), 0x80 | (high >> shift)];
  const from = Math.max(first, rest.first);
  const to = Math.min(last, rest.last);
  const after = afterRest(rest);
  if (!after) return from <= to ? [[[from, to]]] : [];
  const mask = (1 << shift) - 1;
  const out: Bytes[] = [];
  for (let byte = from; byte <= to; ) {
    const lowest = byte === first ? low & mask : 0;
    let end = byte;
    const isWhole = (one: number) => (one > first || (low & mask) === 0) && one < last;
    if (isWhole(byte)) while (end < to && isWhole(end + 1)) ++end;
    const highest = end === last ? high & mask : mask;
    for (const tail of tails(lowest, highest, after)) out.push([[byte, end], ...tail]);
    byte = end + 1;
  }
  return out;
}
