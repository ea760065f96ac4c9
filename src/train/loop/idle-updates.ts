/**
 * Counts updates that had nothing to learn from, and says so once. Such a run ends without an
 * error, and its model is no better than before.
 */
import type { JsonObject } from '../../base/json.ts';

/** A warning comes after this many such updates in a row, or at the end if all were such. */
export const MANY_IDLE_UPDATES = 20;

export class IdleUpdates {
  #updates = 0;
  #idle = 0;
  #inARow = 0;
  #isWarned = false;
  #reason = '';

  /** Such updates of the whole run. */
  get count(): number {
    return this.#idle;
  }

  /**
   * Takes an update. Returns the warning when it is due.
   * @param reason why the update had nothing to learn from; undefined if it had
   */
  observe(reason: string | undefined): string | undefined {
    this.#updates += 1;
    this.#inARow = reason === undefined ? 0 : this.#inARow + 1;
    if (reason === undefined) return undefined;
    this.#idle += 1;
    this.#reason = reason;
    return this.#inARow >= MANY_IDLE_UPDATES ? this.#warn(`the last ${this.#inARow} updates had`) : undefined;
  }

  /** The warning at the end of a run in which no update had anything to learn from. */
  atEnd(): string | undefined {
    return this.#idle > 0 && this.#idle === this.#updates
      ? this.#warn('no update of the run had')
      : undefined;
  }

  #warn(subject: string): string | undefined {
    if (this.#isWarned) return undefined;
    this.#isWarned = true;
    const what = subject.startsWith('no') ? 'anything' : 'nothing';
    return `${subject} ${what} to learn from: ${this.#reason}`;
  }

  state(): JsonObject {
    return {
      updates: this.#updates,
      idle: this.#idle,
      in_a_row: this.#inARow,
      warned: this.#isWarned,
      reason: this.#reason,
    };
  }

  restore(state: JsonObject): void {
    this.#updates = state.updates as number;
    this.#idle = state.idle as number;
    this.#inARow = state.in_a_row as number;
    this.#isWarned = state.warned as boolean;
    this.#reason = state.reason as string;
  }
}

/** Why an update of the optimizers changes nothing, whatever the stage; undefined if it does. */
export function stillUpdate(lr: number, gradNorms: readonly number[]): string | undefined {
  if (lr === 0) return 'the learning rate is 0; raise `lr`';
  if (gradNorms.every((norm) => norm === 0)) return 'all gradients are 0; check the data';
  return undefined;
}
