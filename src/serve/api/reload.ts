/** The answer of a reload, and its errors. */
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { ApiError } from '../protocol/api-error.ts';

/**
 * Runs a reload. Throws ApiError: 422 for a model that cannot be loaded, with the reason, since
 * only administrators see it; 503 when the server stops.
 */
export async function reloadAnswer(
  name: string,
  reload: () => Promise<{ hash: string; previous: string }>,
): Promise<JsonObject> {
  try {
    const { hash, previous } = await reload();
    return { object: 'reload', model: name, hash, previous_hash: previous };
  } catch (error) {
    if (!(error instanceof AthanorError)) throw error;
    if (error.code === 'ERR_STATE') throw new ApiError(503, 'stopping', error.message, { retryAfter: 5 });
    throw new ApiError(
      422,
      'model_unusable',
      `the model cannot be loaded, so the old one goes on: ${error.message}`,
    );
  }
}
