export interface BuildInfoBinding {
  /** The C++ compiler and its version, e.g. "gcc 12.2.0". */
  compiler(): string;
  /** The instruction sets in this build, whether or not this machine supports them. */
  builtIsas(): string[];
  /**
   * [name, version, path, problem] of each library for GPUs; problem is empty where it was found.
   */
  cudaLibraries(): [string, string, string, string][];
}
