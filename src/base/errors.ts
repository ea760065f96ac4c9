/** Error codes, mirrored from native/core/error.h and extended by what only TypeScript can notice. */
export type ErrorCode =
  | 'ERR_ARGUMENT'
  | 'ERR_SHAPE'
  | 'ERR_DTYPE'
  | 'ERR_DEVICE'
  | 'ERR_STATE'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_FILE_MISSING'
  | 'ERR_FILE_DAMAGED'
  | 'ERR_FORMAT'
  | 'ERR_IO'
  | 'ERR_DISK_FULL'
  | 'ERR_CUDA_UNAVAILABLE'
  | 'ERR_CUDA_LIBRARY_MISSING'
  | 'ERR_INTERNAL'
  | 'ERR_NATIVE_LOAD'
  | 'ERR_CONFIG'
  | 'ERR_OPTION'
  | 'ERR_MISMATCH'
  | 'ERR_NOT_FINITE'
  | 'ERR_INTERRUPTED';

/** Every failure that Athanor reports: one sentence of what and where, a code, and what to do about it. */
export class AthanorError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string | undefined;

  constructor(code: ErrorCode, message: string, remedy?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AthanorError';
    this.code = code;
    this.remedy = remedy;
  }
}

/** Turns a Node file-system error into an AthanorError that names the file and the remedy. */
export function fileError(error: unknown, path: string, action = 'read'): AthanorError {
  if (error instanceof AthanorError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  const cause = { cause: error };
  switch (code) {
    case 'ENOENT':
      return new AthanorError('ERR_FILE_MISSING', `${path} does not exist`, 'check the path', cause);
    case 'EISDIR':
      return new AthanorError('ERR_ARGUMENT', `${path} is a folder, not a file`, 'name a file', cause);
    case 'EACCES':
    case 'EPERM':
      return new AthanorError(
        'ERR_IO',
        `no permission to ${action} ${path}`,
        'change its mode or owner',
        cause,
      );
    case 'ENOSPC':
    case 'EDQUOT':
      return new AthanorError(
        'ERR_DISK_FULL',
        `the disk is full: cannot ${action} ${path}`,
        'free some space and run again; earlier files are intact, and training goes on with --resume',
        cause,
      );
    default:
      return new AthanorError(
        'ERR_IO',
        `cannot ${action} ${path}: ${(error as Error).message}`,
        undefined,
        cause,
      );
  }
}
