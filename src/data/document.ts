/** One document of a corpus. */
export interface Document {
  /** Its origin, for messages: a file, a file and a line, or a name in a package. */
  id: string;
  text: string;
  /**
   * The requested file, folder or packaged corpus, or the part of it that is counted separately.
   */
  source: string;
  /** The title of a page, with which its text begins. */
  title?: string;
  /** The programming language of source code, such as `python`. */
  language?: string;
}

/** A line or file that could not be used. Nothing is dropped silently. */
export interface Dropped {
  id: string;
  reason: DropReason;
  detail?: string;
  /** What to do about it. */
  remedy?: string;
}

/** Reasons by what they say of the input. `onBadLine` fail stops at a defect. */
const unwanted = {
  empty: 'empty',
  too_short: 'too short',
  duplicate: 'a duplicate',
  near_duplicate: 'nearly a duplicate',
  rejected: 'rejected by a filter',
  contaminated: 'text of an evaluation set',
  other_kind: 'not a kind of file that is read',
  other_record: 'a record without a page',
  tie: 'a tie',
};
const defects = {
  too_long: 'too long',
  not_utf8: 'not UTF-8 text',
  binary: 'binary, not text',
  damaged: 'damaged, or not what its name says',
  bad_page: 'a page with too many elements',
  bad_json: 'not JSON',
  missing_field: 'without the field',
  bad_row: 'not a row of this kind',
  refused: 'refused by the chat template',
};
const reasons = { ...unwanted, ...defects };
/** Why a line or file was dropped. */
export type DropReason = keyof typeof reasons;

/** "corpus.jsonl:7: not JSON (Unexpected token ...)" */
export function describeDropped({ id, reason, detail }: Dropped): string {
  return `${id}: ${reasons[reason]}${detail ? ` (${detail})` : ''}`;
}

/** Whether the reason is a defect of the input, and not just unwanted input. */
export function isBad(reason: DropReason): boolean {
  return Object.hasOwn(defects, reason);
}

/** A document, or the place and reason of a line or file that gave none. */
export type CorpusItem = { document: Document } | { dropped: Dropped };
