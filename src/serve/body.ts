/** Reads the JSON body of a request, within its limits. */
import type { IncomingMessage } from 'node:http';
import type { JsonValue } from '../base/json.ts';
import { ApiError } from './protocol/api-error.ts';

/**
 * Throws ApiError: 415 for another content type than JSON, which a web page could send without being
 * asked; 413 beyond the limit; 400 for a body that is no JSON in UTF-8.
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
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
    return JSON.parse(text) as JsonValue;
  } catch {
    throw new ApiError(400, 'invalid_json', 'the body is no JSON in UTF-8');
  }
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError(413, 'body_too_large', `the body is larger than ${maxBytes} bytes`);
}
