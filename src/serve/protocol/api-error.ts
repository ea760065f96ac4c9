/** Errors as clients of the OpenAI API expect them. */
import { AthanorError } from '../../base/errors.ts';

/** The body of an error. */
export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string };
}

/** An error with its HTTP status. The message is for the client, so it holds nothing secret. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly param: string | undefined;
  /** Seconds until a second try has a chance. */
  readonly retryAfter: number | undefined;

  constructor(
    status: number,
    code: string,
    message: string,
    { param, retryAfter }: { param?: string; retryAfter?: number } = {},
  ) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.param = param;
    this.retryAfter = retryAfter;
  }

  get type(): string {
    if (this.status === 401) return 'authentication_error';
    if (this.status === 403) return 'permission_error';
    if (this.status === 429) return 'rate_limit_error';
    return this.status >= 500 ? 'server_error' : 'invalid_request_error';
  }

  get body(): ErrorBody {
    const { message, type, param = null, code } = this;
    return { error: { message, type, param, code } };
  }
}

/** A value of the request that is not accepted. */
export function badValue(param: string, message: string, code = 'invalid_value'): ApiError {
  return new ApiError(400, code, message, { param });
}

export function overloaded(): ApiError {
  return new ApiError(503, 'overloaded', 'too many requests are waiting', { retryAfter: 1 });
}

/**
 * Any error as one for the client. What the client sent wrong keeps its message; what failed inside
 * says no more than that.
 */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof AthanorError) {
    const message = error.message + (error.remedy ? `; ${error.remedy}` : '');
    if (error.code === 'ERR_ARGUMENT') return new ApiError(400, 'invalid_value', message);
    if (error.code === 'ERR_CONFIG')
      return new ApiError(400, 'template_refused', message, { param: 'messages' });
    if (error.code === 'ERR_STATE')
      return new ApiError(503, 'engine_unavailable', message, { retryAfter: 1 });
    return new ApiError(500, error.code.toLowerCase(), 'the engine failed; its log says why');
  }
  return new ApiError(500, 'internal_error', 'the server failed; its log says why');
}
