/** The limit of the safety checks of a request: its client, and the time of one reading. */
import type { ServerResponse } from 'node:http';
import type { ReadingLimit } from '../safety/reading-limit.ts';
import { ApiError } from './protocol/api-error.ts';

/**
 * Runs a body with a limit that ends with the client's connection, and with the body: no check goes
 * on for an answer that nobody gets.
 */
export async function whileClientWaits<T>(
  response: ServerResponse,
  seconds: number,
  body: (limit: ReadingLimit) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const leave = () => controller.abort(new ApiError(499, 'client_gone', 'the client is gone'));
  if (response.closed || response.destroyed) leave();
  response.on('close', leave);
  try {
    return await body({ signal: controller.signal, seconds, late: () => tooLong(seconds) });
  } finally {
    response.off('close', leave);
    leave();
  }
}

function tooLong(seconds: number): ApiError {
  const problem = `the safety checks took longer than ${seconds} s: send less text, or try again later`;
  return new ApiError(503, 'check_timeout', problem, { retryAfter: 5 });
}
