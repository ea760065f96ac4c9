/** Errors on their way between threads. */
import { AthanorError } from '../../base/errors.ts';
import type { SentError } from './messages.ts';

/** An error in a form that passes between threads. */
export function sentError(error: unknown): SentError {
  if (error instanceof AthanorError) {
    return { code: error.code, message: error.message, remedy: error.remedy };
  }
  return { code: 'ERR_INTERNAL', message: (error as Error).stack ?? String(error), remedy: undefined };
}
