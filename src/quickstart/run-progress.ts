/** The progress of a pipeline run, for its page and its lines on the terminal. */
import type { TrainingRecord } from '../train/loop/training-record.ts';
import type { Question } from './factbook/task.ts';
import type { PartName, PlannedPart, RunPlan } from './plan.ts';
import type { ScoreboardRow } from './scoreboard.ts';

export interface PartState extends PlannedPart {
  status: 'waiting' | 'running' | 'done' | 'stopped';
  /** Undefined until the part is done. */
  secondsTaken: number | undefined;
  /** The record of a stage whose training is over; undefined for other parts. */
  report: TrainingRecord | undefined;
}

export interface PipelineState {
  parts: readonly PartState[];
  /** Rows of the models measured so far. */
  rows: readonly ScoreboardRow[];
  /** The shown questions, in the order of each row's answers. */
  questions: readonly Question[];
  tokensPerSecond: number;
  /** Seconds since the first part began. */
  seconds: number;
  /** Expected seconds until the end. */
  secondsLeft: number;
}

export class RunProgress {
  readonly #parts: PartState[];
  readonly #tokensPerSecond: number;
  readonly #onChange: ((state: PipelineState) => void) | undefined;
  readonly #now: () => number;
  readonly #startedAt: number;
  #partStartedAt = 0;
  questions: readonly Question[] = [];
  rows: readonly ScoreboardRow[] = [];

  /** @param now the time in seconds */
  constructor(
    { parts, tokensPerSecond }: RunPlan,
    onChange?: (state: PipelineState) => void,
    now: () => number = () => performance.now() / 1000,
  ) {
    this.#parts = parts.map((part) => ({
      ...part,
      status: 'waiting',
      secondsTaken: undefined,
      report: undefined,
    }));
    this.#tokensPerSecond = tokensPerSecond;
    this.#onChange = onChange;
    this.#now = now;
    this.#startedAt = now();
  }

  /** Runs one part. If it throws, the part is marked as stopped, and the error is thrown again. */
  async part<T>(name: PartName, work: () => Promise<T>): Promise<T> {
    const part = this.#find(name);
    this.#partStartedAt = this.#now();
    this.#change(part, 'running');
    try {
      const result = await work();
      part.secondsTaken = this.#now() - this.#partStartedAt;
      this.#change(part, 'done');
      return result;
    } catch (error) {
      this.#change(part, 'stopped');
      throw error;
    }
  }

  /** The training of a running stage is over. Its model must still be measured. */
  stageDone(name: PartName, report: TrainingRecord): void {
    this.#find(name).report = report;
    this.#onChange?.(this.state());
  }

  state(): PipelineState {
    return {
      parts: this.#parts.map((part) => ({ ...part })),
      rows: this.rows.map((row) => ({ ...row })),
      questions: this.questions,
      tokensPerSecond: this.#tokensPerSecond,
      seconds: this.#now() - this.#startedAt,
      secondsLeft: this.#secondsLeft(),
    };
  }

  #find(name: PartName): PartState {
    return this.#parts.find((part) => part.name === name)!;
  }

  #change(part: PartState, status: PartState['status']): void {
    part.status = status;
    this.#onChange?.(this.state());
  }

  /** The planned time of the parts ahead, times the slowdown of the finished parts. */
  #secondsLeft(): number {
    const planned = (parts: readonly PartState[]) => parts.reduce((sum, { seconds }) => sum + seconds, 0);
    const done = this.#parts.filter(({ status }) => status === 'done');
    const taken = done.reduce((sum, { secondsTaken }) => sum + secondsTaken!, 0);
    const all = planned(this.#parts);
    // A part of a few seconds says little about the others.
    const slower = planned(done) > all / 10 ? taken / planned(done) : 1;
    const running = this.#parts.find(({ status }) => status === 'running');
    const spent = running ? Math.min(running.seconds * slower, this.#now() - this.#partStartedAt) : 0;
    return slower * (all - planned(done)) - spent;
  }
}
