export interface NativeShard {
  /**
   * Fills `out` with the ids from `begin`. ERR_FILE_DAMAGED names an id that is not below
   * `vocabSize`.
   */
  read(begin: number, out: Int32Array): void;
  close(): void;
}

export interface ShardBinding {
  /** Maps `count` ids of `width` bytes (2 or 4) from byte `offset` of a file. */
  NativeShard: new (
    path: string,
    offset: number,
    count: number,
    width: number,
    vocabSize: number,
  ) => NativeShard;
}
