/** What a corpus is made of. */
export interface Document {
  /** Where it comes from, for messages: a file, a file and line, or a name within a package. */
  id: string;
  text: string;
}

/** A line or file that could not be used; nothing is dropped in silence. */
export interface Dropped {
  id: string;
  reason: DropReason;
  detail?: string;
}

export type DropReason =
  | 'empty'
  | 'too_short'
  | 'duplicate'
  | 'not_utf8'
  | 'binary'
  | 'bad_json'
  | 'missing_field';

export type CorpusItem = { document: Document } | { dropped: Dropped };
