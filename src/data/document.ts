/** What a corpus is made of. */
export interface Document {
  /** Where it comes from, for messages: a file, a file and line, or a name within a package. */
  id: string;
  text: string;
  /** The file, folder or packaged corpus that was asked for, or the part of it that counts on its own. */
  source: string;
}

/** A line or file that could not be used; nothing is dropped in silence. */
export interface Dropped {
  id: string;
  reason: DropReason;
  detail?: string;
}

const reasons = {
  empty: 'empty',
  too_short: 'too short',
  too_long: 'too long a line',
  duplicate: 'a duplicate',
  other_kind: 'not a kind of file that is read',
  not_utf8: 'not UTF-8 text',
  binary: 'binary, not text',
  bad_json: 'not JSON',
  missing_field: 'without the field',
  bad_row: 'not a row of this kind',
  tie: 'a tie',
};
export type DropReason = keyof typeof reasons;

/** "corpus.jsonl:7: not JSON (Unexpected token ...)" */
export function describeDropped({ id, reason, detail }: Dropped): string {
  return `${id}: ${reasons[reason]}${detail ? ` (${detail})` : ''}`;
}

/** Something is wrong with the input, rather than merely unwanted. */
export function isBad(reason: DropReason): boolean {
  return !['empty', 'too_short', 'duplicate', 'other_kind', 'tie'].includes(reason);
}

export type CorpusItem = { document: Document } | { dropped: Dropped };
