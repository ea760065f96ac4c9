/** Reads the JSON body of a request, within its limits. */
import type { IncomingMessage } from 'node:http';
import type { JsonValue } from '../base/json.ts';
import { MAX_DEPTH } from './api/limits.ts';
import { ApiError } from './protocol/api-error.ts';

/**
 * Throws ApiError: 415 for another content type than JSON, which a web page could send without
 * being asked; 413 beyond the limit; 499 when the client is gone before the end of the body; 400
 * for a body that is not JSON in UTF-8 or is nested too deep.
 */
export async function readJsonBody(request: IncomingMessage, maxBytes: number): Promise<JsonValue> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type !== 'application/json') {
    throw new ApiError(415, 'unsupported_media_type', 'send the body as content-type application/json');
  }
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Without destroyOnReturn the socket would be gone before the client has its answer.
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof ApiError || !request.destroyed) throw error;
    throw new ApiError(499, 'client_gone', 'the client was gone before the end of the body');
  }
  const value = parsed(Buffer.concat(chunks));
  if (depthOf(value) <= MAX_DEPTH) return value;
  throw new ApiError(400, 'too_deep', `the body is nested deeper than ${MAX_DEPTH} levels`);
}

function parsed(bytes: Uint8Array): JsonValue {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as JsonValue;
  } catch {
    throw new ApiError(400, 'invalid_json', 'the body must be JSON in UTF-8');
  }
}

/** How deep a value is nested, or more than allowed. It goes by levels, not by recursion. */
function depthOf(value: JsonValue): number {
  let depth = 0;
  for (let level = [value]; level.length > 0 && depth <= MAX_DEPTH; ++depth) {
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []));
  }
  return depth;
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError(413, 'body_too_large', `the body is larger than ${maxBytes} bytes`);
}
