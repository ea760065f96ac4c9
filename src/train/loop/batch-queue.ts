/**
 * The batches of each update. If the stage allows it, the batches of the next update are begun
 * during the last backward pass of this one. That saves time while a GPU computes, or while a file
 * or request is waited for. On the CPU the thread that computes also makes the batches, so it
 * saves nothing there.
 */
import type { JsonValue } from '../../base/json.ts';
import { outsideScopes } from '../../tensor/tensor.ts';
import type { TrainStage } from './stage.ts';

export class BatchQueue<Batch> {
  readonly #stage: TrainStage<Batch>;
  readonly #count: number;
  readonly #own: ReadonlySet<number>;
  #ahead: { batches: Promise<Batch[]>; state: JsonValue } | undefined;
  /** The state before the batches of the current update. */
  #before: { state: JsonValue } | undefined;
  /** The state before batches that could not be made or used. */
  #failedAt: { state: JsonValue } | undefined;

  /**
   * @param count batches of an update, over all ranks
   * @param own the numbers of those that this rank takes
   */
  constructor(stage: TrainStage<Batch>, count: number, own: readonly number[]) {
    this.#stage = stage;
    this.#count = count;
    this.#own = new Set(own);
  }

  /**
   * The batches of this rank in the current update. The caller disposes of them. Throws as the
   * stage; state() is then that of before.
   */
  async take(): Promise<Batch[]> {
    this.#before = { state: this.state() };
    const batches = this.#ahead?.batches ?? this.#make();
    this.#ahead = undefined;
    try {
      return await batches;
    } catch (error) {
      this.putBack();
      throw error;
    }
  }

  /** Makes state() that of before the batches of the current update, which no update uses. */
  putBack(): void {
    this.#failedAt = this.#before;
  }

  /**
   * Begins to make the batches of the next update, once. Call it after the last loss of this
   * update, when the stage's state is that of a checkpoint after this update.
   */
  prefetch(): void {
    if (!this.#stage.prefetch || this.#ahead) return;
    const state = this.#stage.state?.() ?? null;
    const batches = this.#make();
    // take() rethrows an error; until then Node must not see it as unhandled.
    batches.catch(() => {});
    this.#ahead = { batches, state };
  }

  /** The stage's state for a checkpoint. Batches that no update has taken do not count in it. */
  state(): JsonValue {
    const kept = this.#failedAt ?? this.#ahead;
    return kept ? kept.state : (this.#stage.state?.() ?? null);
  }

  /** Frees the batches that no update has taken. */
  async dispose(): Promise<void> {
    const batches = await this.#ahead?.batches.catch(() => []);
    this.#ahead = undefined;
    batches?.forEach(disposeOf);
  }

  async #make(): Promise<Batch[]> {
    const batches: Batch[] = [];
    for (let i = 0; i < this.#count; ++i) {
      if (!this.#own.has(i)) {
        await this.#skip();
        continue;
      }
      const batch = outsideScopes(() => this.#stage.nextBatch());
      batches.push(batch instanceof Promise ? await batch : batch);
    }
    return batches;
  }

  async #skip(): Promise<void> {
    if (this.#stage.skipBatch) await outsideScopes(() => this.#stage.skipBatch!());
    else disposeOf(await outsideScopes(() => this.#stage.nextBatch()));
  }
}

/** Frees a batch that owns memory. Others are left to the garbage collector. */
export function disposeOf(batch: unknown): void {
  if (isDisposable(batch)) batch[Symbol.dispose]();
}

function isDisposable(value: unknown): value is Disposable {
  return typeof value === 'object' && value !== null && Symbol.dispose in value;
}
