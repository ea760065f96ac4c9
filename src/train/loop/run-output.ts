/**
 * Output of a training loop: records go to the metrics log, checkpoints to the store, events to the
 * listener. Only the main rank writes and reports. Without a folder there are events only.
 */
import type { CheckpointContents } from '../../checkpoint/checkpoint-folder.ts';
import { CheckpointStore } from '../../checkpoint/store.ts';
import { isMainRank, type RunContext } from '../../comm/run-context.ts';
import { FolderLock } from '../../native/folder-lock.ts';
import { type MetricRecord, MetricsLog } from '../../report/metrics-log.ts';
import type { TrainEvent } from './events.ts';

export interface RunOutputOptions {
  keepCheckpoints: number;
  /** The caller holds the lock of the folder. */
  isLocked: boolean;
  onEvent: ((event: TrainEvent) => void) | undefined;
}

export class RunOutput {
  /** Whether this process writes and reports. */
  readonly isMain: boolean;
  /** The store of checkpoints, which every rank reads; undefined without a folder. */
  readonly store: CheckpointStore | undefined;
  readonly #folder: string | undefined;
  readonly #onEvent: ((event: TrainEvent) => void) | undefined;
  readonly #isLocked: boolean;
  #lock: FolderLock | undefined;
  #metrics: MetricsLog | undefined;

  constructor(context: RunContext, { keepCheckpoints, isLocked, onEvent }: RunOutputOptions) {
    this.isMain = isMainRank(context);
    this.#folder = context.out;
    this.#isLocked = isLocked;
    this.#onEvent = onEvent;
    if (this.#folder !== undefined) {
      const options = { keepLast: keepCheckpoints, readOnly: !this.isMain };
      this.store = new CheckpointStore(this.#folder, options);
    }
  }

  /**
   * Locks the folder and opens the metrics log. Throws ERR_STATE when another process writes to the
   * folder.
   * @param step where the run continues; 0 for a new run
   */
  open(step: number): void {
    if (!this.isMain || this.#folder === undefined) return;
    if (!this.#isLocked) this.#lock = FolderLock.take(this.#folder);
    this.#metrics = MetricsLog.open(this.#folder, step > 0 ? { resumeStep: step } : {});
  }

  close(): void {
    this.#metrics?.close();
    this.#metrics = undefined;
    this.#lock?.release();
    this.#lock = undefined;
  }

  record(record: MetricRecord): void {
    this.#metrics?.append(record);
  }

  emit(event: TrainEvent): void {
    if (this.isMain) this.#onEvent?.(event);
  }

  /** Logs and reports a warning. */
  warn(step: number, text: string): void {
    this.record({ event: 'warning', step, text });
    this.emit({ type: 'warning', step, text });
  }

  async save(step: number, contents: () => CheckpointContents): Promise<void> {
    if (!this.isMain || !this.store) return;
    this.#metrics?.flush();
    const { path } = await this.store.save(step, contents());
    this.emit({ type: 'checkpoint', step, folder: path });
  }

  /** Stores the score of a saved checkpoint; lower is better. */
  async setScore(step: number, score: number): Promise<void> {
    if (this.isMain) await this.store?.setMetric(step, score);
  }
}
