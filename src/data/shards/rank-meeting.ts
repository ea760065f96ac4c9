/**
 * How the ranks of a run find each other in the folder that they share. A rank that joins writes a
 * message under a name of its own, and the first rank answers with its own name, which all further
 * messages carry. So messages of an earlier run, which may have been killed, mean nothing.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AthanorError, type ErrorCode, errorTable } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import type { Ranks } from '../../comm/communicator.ts';
import type { PartialFolder } from './partial-folder.ts';
import { interrupted } from './plan.ts';

/** What a rank tells the others that it has done. */
export type Step = 'filtered' | 'decided' | 'encoded';

const POLL_MS = 50;
const JOIN = /^join-([0-9a-f-]+)\.json$/;

export class RankMeeting {
  readonly #folder: PartialFolder;
  readonly #ranks: Ranks;
  readonly #signal: AbortSignal | undefined;
  readonly #name = randomUUID();
  /** The name of the first rank. */
  #first: string | undefined;
  readonly #answered = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(folder: PartialFolder, ranks: Ranks, signal?: AbortSignal) {
    this.#folder = folder;
    this.#ranks = ranks;
    this.#signal = signal;
  }

  /** The first rank lets the others in, from now on. The plan is there. */
  open(): void {
    this.#first = this.#name;
    if (this.#ranks.size === 1) return;
    this.#answer();
    this.#timer ??= setInterval(() => this.#answer(), POLL_MS).unref();
  }

  /** Another rank waits until it is let in, or `isOver`. Throws as `wait`. */
  async join(isOver: () => boolean): Promise<void> {
    this.#write(`join-${this.#name}`, {});
    const answer = `answer-${this.#name}`;
    await this.#wait(() => isOver() || this.#has(answer));
    const first = this.#folder.read(join('ranks', `${answer}.json`))?.first;
    if (typeof first === 'string') this.#first = first;
    this.#checkFailures();
  }

  /** Tells the other side. */
  tell(step: Step): void {
    if (this.#ranks.size > 1) this.#write(`${step}-${this.#ranks.rank}-${this.#first}`, {});
  }

  /**
   * Waits until all ranks on the other side have told it. Throws the error of a rank that failed,
   * and ERR_INTERRUPTED when the signal aborts.
   */
  async wait(step: Step): Promise<void> {
    await this.#wait(() => this.#others().every((other) => this.#has(`${step}-${other}-${this.#first}`)));
  }

  #others(): number[] {
    const { rank, size } = this.#ranks;
    return rank > 0 ? [0] : Array.from({ length: size - 1 }, (_, i) => i + 1);
  }

  /** Waits for anything else. Throws as `wait`. */
  async until(isOver: () => boolean): Promise<void> {
    await this.#wait(isOver);
  }

  /** Tells the others why this rank ends. */
  fail(error: unknown): void {
    const { rank, size } = this.#ranks;
    if (size === 1 || !existsSync(this.#folder.ranks)) return;
    const { code, message, remedy } =
      error instanceof AthanorError ? error : new AthanorError('ERR_INTERNAL', String(error));
    try {
      // Those that wait to be let in must hear of it too.
      if (rank === 0) this.open();
      this.#write(`failed-${rank}-${this.#first}`, {
        code,
        message,
        ...(remedy !== undefined && { remedy }),
      });
    } catch {
      // The error itself may be that nothing can be written.
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #wait(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      if (this.#signal?.aborted) throw interrupted();
      this.#checkFailures();
      await sleep(POLL_MS);
    }
  }

  #answer(): void {
    for (const entry of readdirSync(this.#folder.ranks)) {
      const [, name] = JOIN.exec(entry) ?? [];
      if (name === undefined || this.#answered.has(name)) continue;
      this.#answered.add(name);
      // One that waits since an earlier run is dead: its answer is not read by anybody.
      this.#write(`answer-${name}`, { first: this.#name });
    }
  }

  #checkFailures(): void {
    for (const rank of this.#others()) {
      const failure = this.#folder.read(join('ranks', `failed-${rank}-${this.#first}.json`));
      if (failure === undefined) continue;
      const { code, message, remedy } = failure;
      const known = typeof code === 'string' && Object.hasOwn(errorTable, code);
      throw new AthanorError(
        known ? (code as ErrorCode) : 'ERR_INTERNAL',
        `rank ${rank}: ${message}`,
        typeof remedy === 'string' ? remedy : undefined,
      );
    }
  }

  #has(message: string): boolean {
    return existsSync(join(this.#folder.ranks, `${message}.json`));
  }

  #write(message: string, value: JsonObject): void {
    this.#folder.write(join('ranks', `${message}.json`), value);
  }
}
