/**
 * Conversations in the browser's own database. Without one, as in some private windows, they are
 * kept until the page is closed.
 */
import { type Conversation, merged } from './conversation.ts';

export interface Summary {
  id: string;
  title: string;
  updatedAt: number;
}

const NAME = 'athanor-chat';
const TABLE = 'conversations';

export class ConversationStore {
  /** Whether conversations outlive the page. */
  readonly isLasting: boolean;
  readonly #database: IDBDatabase | undefined;
  readonly #memory = new Map<string, Conversation>();
  readonly #channel = new BroadcastChannel(NAME);

  private constructor(database: IDBDatabase | undefined) {
    this.#database = database;
    this.isLasting = database !== undefined;
  }

  static async open(): Promise<ConversationStore> {
    try {
      const request = indexedDB.open(NAME, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(TABLE, { keyPath: 'id' });
      return new ConversationStore(await result(request));
    } catch {
      return new ConversationStore(undefined);
    }
  }

  /** Calls back when another tab changed something. */
  onChange(changed: () => void): void {
    this.#channel.onmessage = changed;
  }

  /** All conversations, the latest first. */
  async list(): Promise<Conversation[]> {
    const all = this.#database
      ? await result<Conversation[]>(this.#table('readonly').getAll())
      : structuredClone([...this.#memory.values()]);
    return all.sort((a, b) => b.updatedAt - a.updatedAt);
  }

  async load(id: string): Promise<Conversation | undefined> {
    if (!this.#database) return structuredClone(this.#memory.get(id));
    return result<Conversation | undefined>(this.#table('readonly').get(id));
  }

  /** Saves a conversation, with the turns that another tab added. */
  async save(conversation: Conversation): Promise<void> {
    if (!this.#database) this.#memory.set(conversation.id, structuredClone(conversation));
    else {
      const table = this.#table('readwrite');
      const stored = await result<Conversation | undefined>(table.get(conversation.id));
      await result(table.put(merged(conversation, stored)));
    }
    this.#channel.postMessage(null);
  }

  async remove(id: string): Promise<void> {
    this.#memory.delete(id);
    if (this.#database) await result(this.#table('readwrite').delete(id));
    this.#channel.postMessage(null);
  }

  async clear(): Promise<void> {
    this.#memory.clear();
    if (this.#database) await result(this.#table('readwrite').clear());
    this.#channel.postMessage(null);
  }

  #table(mode: IDBTransactionMode): IDBObjectStore {
    return this.#database!.transaction(TABLE, mode).objectStore(TABLE);
  }
}

function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
