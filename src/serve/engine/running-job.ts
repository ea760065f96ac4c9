/** A job in the batch: turns what steps bring into text. */
import type { BatchEvent } from '../../generate/batch.ts';
import { TextStream } from '../../generate/text-stream.ts';
import type { TokenReport } from '../../generate/token-reports.ts';
import type { StreamDecoder } from '../../text/stream-decoder.ts';
import type { Job, JobOutput, NamedReport, Origin } from '../protocol/messages.ts';
import type { ServedModel } from './served-model.ts';

export class RunningJob {
  /** Number of tokens that were drawn. */
  tokens = 0;
  readonly #id: number;
  readonly #job: Job;
  readonly #served: ServedModel;
  readonly #ends: readonly number[];
  readonly #text: TextStream;
  /** Decodes all tokens, to know where each begins. */
  readonly #decoder: StreamDecoder;
  #offset = 0;
  readonly #random: Pick<Origin, 'seed' | 'stream'>;

  /** @param random what draws the tokens */
  constructor(id: number, job: Job, served: ServedModel, random: Pick<Origin, 'seed' | 'stream'>) {
    this.#id = id;
    this.#job = job;
    this.#served = served;
    this.#random = random;
    this.#ends = served.endsOf(job);
    const { stopStrings, skipSpecial, textTokens: keepSpecial = [] } = job;
    const options = { stopTokens: this.#ends, stopStrings, skipSpecial, keepSpecial };
    this.#text = new TextStream(served.tokenizer, options);
    this.#decoder = served.tokenizer.stream();
  }

  /** Whether the text has ended, so that the batch need not go on. */
  get stopped(): boolean {
    return this.#text.stopped;
  }

  /** What a token of this job brings. */
  take({ token, logProb, report, prompt, completion }: BatchEvent): JobOutput {
    ++this.tokens;
    const output: JobOutput = { job: this.#id, text: '' };
    if (this.#job.record) this.#record(output, token, report?.logProb ?? logProb);
    if (this.tokens === 1 && this.#job.echo) {
      output.promptText = this.#served.decode([...this.#job.prompt]);
      if (prompt) output.promptReports = this.#promptReports(prompt);
      else this.#offset = [...output.promptText].length;
    }
    if (report && this.#job.topLogProbs !== undefined) output.report = this.#named(report);
    output.text = this.#text.push(token);
    if (completion || this.stopped) {
      output.finish = this.stopped || completion?.finish === 'stop' ? 'stop' : 'length';
      output.text += this.#text.end();
    }
    return output;
  }

  /** The fields are flat: an object within each output would double the time of sending it. */
  #record(output: JobOutput, token: number, logProb: number): void {
    output.token = token;
    output.logProb = logProb;
    if (this.tokens > 1) return;
    const { info, tokenizer } = this.#served;
    const hashes = { modelHash: info.hash, tokenizerHash: tokenizer.fingerprint() };
    output.origin = { ...this.#random, ...hashes };
  }

  #promptReports(reports: readonly (TokenReport | undefined)[]): NamedReport[] {
    return reports.map((report, i) => {
      const none = { topTokens: new Int32Array(0), topLogProbs: new Float32Array(0) };
      return this.#named(report ?? { token: this.#job.prompt[i]!, logProb: Number.NaN, ...none });
    });
  }

  #named(report: TokenReport): NamedReport {
    const offset = this.#offset;
    this.#offset += [...this.#decoder.push(report.token)].length;
    const { token, logProb } = report;
    const { skipSpecial, textTokens = [] } = this.#job;
    const isLeftOut =
      skipSpecial && this.#served.isControl(token) && !this.#served.isOneOf(token, textTokens);
    const isHidden = this.tokens > 0 && (isLeftOut || this.#ends.includes(token));
    return { ...this.#served.named(token, logProb), offset, top: this.#served.namedTop(report), isHidden };
  }
}
