/**
 * Checks the runs of a page before they are expanded: a damaged run of ten bytes can ask for a
 * billion values.
 */
import type { DataPageHeader, PageHeader } from 'hyparquet';
import { ParquetDamage } from './parquet-file.ts';

/** Bits that hold numbers up to `most`. */
const bitsFor = (most: number) => 32 - Math.clz32(most);

/** The deepest levels of a column. */
export interface Levels {
  repetition: number;
  definition: number;
}

/**
 * Throws ParquetDamage when a run of levels or of places in the dictionary is longer than the page.
 * @param page the page unpacked; of version 2, the levels are not packed in any case
 */
export function checkRuns(page: Uint8Array, header: PageHeader, levels: Levels): void {
  const { data_page_header: first, data_page_header_v2: second } = header;
  if (first) checkFirst(page, first, levels);
  if (second) {
    const { num_values: count } = second;
    const repetitions = second.repetition_levels_byte_length;
    const definitions = second.definition_levels_byte_length;
    if (repetitions < 0 || definitions < 0 || repetitions + definitions > page.length) {
      throw new ParquetDamage('the levels of a page are longer than the page');
    }
    walkRuns(page, 0, repetitions, bitsFor(levels.repetition), count);
    walkRuns(page, repetitions, repetitions + definitions, bitsFor(levels.definition), count);
    checkPlaces(page, repetitions + definitions, second.encoding, count - second.num_nulls);
  }
}

function checkFirst(page: Uint8Array, header: DataPageHeader, levels: Levels): void {
  const { num_values: count, encoding } = header;
  let at = 0;
  for (const most of [levels.repetition, levels.definition]) {
    if (most === 0) continue;
    if (at + 4 > page.length) throw new ParquetDamage('a page ends within its levels');
    const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
    const end = at + 4 + view.getUint32(at, true);
    if (end > page.length) throw new ParquetDamage('the levels of a page are longer than the page');
    walkRuns(page, at + 4, end, bitsFor(most), count);
    at = end;
  }
  checkPlaces(page, at, encoding, count);
}

/** Places in the dictionary, which begin with the number of their bits. */
function checkPlaces(page: Uint8Array, at: number, encoding: string, count: number): void {
  if (!encoding.endsWith('_DICTIONARY') || at >= page.length) return;
  const bits = page[at]!;
  if (bits > 32) throw new ParquetDamage(`places in the dictionary have ${bits} bits`);
  if (bits > 0) walkRuns(page, at + 1, page.length, bits, count);
}

function walkRuns(page: Uint8Array, start: number, end: number, bits: number, count: number): void {
  let [at, seen] = [start, 0];
  while (seen < count && at < end) {
    let [head, shift] = [0, 0];
    for (;;) {
      const byte = page[at++];
      if (byte === undefined || shift > 28) throw new ParquetDamage('a run of values has no length');
      head += (byte & 127) * 2 ** shift;
      shift += 7;
      if (byte < 128) break;
    }
    const length = Math.floor(head / 2);
    if (head % 2 === 1) {
      seen += length * 8;
      at += length * bits;
    } else {
      if (length > count) throw new ParquetDamage(`a run of ${length} values in a page of ${count}`);
      seen += length;
      at += (bits + 7) >> 3;
    }
  }
}
