/** Requests whose answers are not complete yet. */
import type { ServerResponse } from 'node:http';

export class InFlight {
  readonly #open = new Set<Promise<void>>();

  get size(): number {
    return this.#open.size;
  }

  /** Counts a request until its answer is complete, or its client is gone. */
  add(response: ServerResponse): void {
    const ended: Promise<void> = new Promise((resolve) => {
      response.on('close', () => {
        this.#open.delete(ended);
        resolve();
      });
    });
    this.#open.add(ended);
  }

  /** Resolves when all requests of this moment have ended. Later ones do not count. */
  async ended(): Promise<void> {
    await Promise.all([...this.#open]);
  }
}
