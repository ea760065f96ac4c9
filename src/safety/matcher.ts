/** Finds entries of a policy in a stream of folded code points. */

/** Called with the number of an entry that was found, each time that it is found. */
export type OnMatch = (entry: number) => void;

export interface StreamMatcher {
  /** @param start place in the text of the character that gave the point */
  take(point: number, start: number): void;
  /** The text is over. */
  end(): void;
  /** Place in the text from which a match that holds text back may be on its way. */
  readonly openFrom: number | undefined;
}
