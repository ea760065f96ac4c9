/** Keys by which the server knows a second try of the same request. */
import { newId } from './conversation.ts';

/** The same content has the same key, and another content another one. */
export class IdempotencyKeys {
  readonly #keys = new Map<string, string>();

  of(content: unknown): string {
    const text = JSON.stringify(content);
    const key = this.#keys.get(text) ?? newId();
    this.#keys.set(text, key);
    return key;
  }
}
