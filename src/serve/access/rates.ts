/** Limits per key: requests and tokens per minute, and requests at the same time. */
import { ApiError } from '../protocol/api-error.ts';

export interface RateLimits {
  /** Requests per minute; 0: no limit. */
  requestsPerMinute: number;
  /** Tokens of prompts and answers per minute; 0: no limit. */
  tokensPerMinute: number;
  /** Requests in flight; 0: no limit. */
  concurrentRequests: number;
}

/** Fills evenly, to what one minute allows. */
class Bucket {
  readonly #perMinute: number;
  #level: number;
  #at: number;

  constructor(perMinute: number, now: number) {
    this.#perMinute = perMinute;
    this.#level = perMinute;
    this.#at = now;
  }

  /** Takes an amount and returns 0; or takes nothing and returns the seconds until it could. */
  take(amount: number, now: number): number {
    this.#level = Math.min(this.#perMinute, this.#level + ((now - this.#at) / 60_000) * this.#perMinute);
    this.#at = now;
    if (this.#level < amount) return ((amount - this.#level) / this.#perMinute) * 60;
    this.#level -= amount;
    return 0;
  }

  give(amount: number): void {
    this.#level = Math.min(this.#perMinute, this.#level + amount);
  }
}

interface Usage {
  requests: Bucket;
  tokens: Bucket;
  inFlight: number;
}

/** The limits of all keys. Without keys, all clients share one. */
export class Rates {
  readonly #limits: RateLimits;
  readonly #now: () => number;
  /** By key: as many entries as the key file has lines. */
  readonly #usage = new Map<string | undefined, Usage>();

  /** @param now in milliseconds */
  constructor(limits: RateLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Counts a request that begins. Throws ApiError of status 429. Call the result when it ends. */
  begin(client: string | undefined): () => void {
    const { concurrentRequests, requestsPerMinute } = this.#limits;
    const usage = this.#usageOf(client);
    if (concurrentRequests > 0 && usage.inFlight >= concurrentRequests) {
      throw exceeded(`${concurrentRequests} requests at the same time`, 1);
    }
    if (requestsPerMinute > 0) {
      const seconds = usage.requests.take(1, this.#now());
      if (seconds > 0) throw exceeded(`${requestsPerMinute} requests per minute`, seconds);
    }
    ++usage.inFlight;
    return () => {
      --usage.inFlight;
    };
  }

  /**
   * Takes as many tokens as a request can use at most. Throws ApiError: 429, or 400 where no wait
   * would help. Call the result with the number that it did not use.
   */
  reserve(client: string | undefined, tokens: number): (unused: number) => void {
    const { tokensPerMinute } = this.#limits;
    if (tokensPerMinute === 0) return () => {};
    if (tokens > tokensPerMinute) {
      throw new ApiError(
        400,
        'tokens_per_minute_exceeded',
        `the request may use ${tokens} tokens, and a key has ${tokensPerMinute} per minute`,
        { param: 'max_tokens' },
      );
    }
    const { tokens: bucket } = this.#usageOf(client);
    const seconds = bucket.take(tokens, this.#now());
    if (seconds > 0) throw exceeded(`${tokensPerMinute} tokens per minute`, seconds);
    return (unused) => bucket.give(unused);
  }

  #usageOf(client: string | undefined): Usage {
    const existing = this.#usage.get(client);
    if (existing) return existing;
    const now = this.#now();
    const { requestsPerMinute, tokensPerMinute } = this.#limits;
    const made = {
      requests: new Bucket(requestsPerMinute, now),
      tokens: new Bucket(tokensPerMinute, now),
      inFlight: 0,
    };
    this.#usage.set(client, made);
    return made;
  }
}

function exceeded(limit: string, seconds: number): ApiError {
  const retryAfter = Math.max(1, Math.ceil(seconds));
  return new ApiError(429, 'rate_limit_exceeded', `the limit of ${limit} is reached`, { retryAfter });
}
