/** The documents that the filters left, as they lie in the results of units. */
import type { Document, Dropped } from '../document.ts';
import type { UnitItem } from './filter-unit.ts';
import type { PartialFolder } from './partial-folder.ts';
import { PieceReader } from './piece-files.ts';

/** A document with its place, and what it was before it was shortened. */
export interface FilteredDocument extends Document {
  unit: number;
  /** Its number among the documents of the unit that stay. */
  index: number;
  /** SHA-256 of the text. */
  digest: Buffer;
  /** The text before filters edited it, where it is kept and another one. */
  unedited?: string;
  /** Whether the text is another one than that of the unit. */
  isEdited: boolean;
}

/** A document, or the place and reason of what was dropped. */
export type FilteredItem = { document: FilteredDocument } | { dropped: Dropped };

/** All items of some units, in order. Throws the errors of reading. */
export function* filteredItems(folder: PartialFolder, units: number): Generator<FilteredItem> {
  for (let unit = 0; unit < units; unit++) {
    using items = new PieceReader(folder.file(unit, 'filtered', 'items'));
    using texts = new PieceReader(folder.file(unit, 'filtered', 'texts'));
    using unedited = new PieceReader(folder.file(unit, 'filtered', 'unedited'));
    let index = 0;
    for (let line = items.line(); line !== undefined; line = items.line()) {
      const item = JSON.parse(line) as UnitItem;
      if ('dropped' in item) {
        yield item;
        continue;
      }
      const { id, source, language, bytes, sha256, unedited: before = 0 } = item;
      const text = texts.take(bytes).toString();
      const digest = Buffer.from(sha256, 'hex');
      const known = { id, source, ...(language && { language }), text };
      const document = { ...known, unit, index, digest, isEdited: false };
      yield { document: before > 0 ? { ...document, unedited: unedited.take(before).toString() } : document };
      index += 1;
    }
  }
}
