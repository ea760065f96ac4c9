/** Counters, gauges and histograms in Prometheus' text format. */

/** Seconds; from one decoding step of a small model to a long answer. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

type Labels = Readonly<Record<string, string>>;

function labelText(labels: Labels): string {
  const quoted = (text: string) => text.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`));
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${quoted(value)}"`);
  return parts.length > 0 ? `{${parts.join(',')}}` : '';
}

class Counter {
  readonly #values = new Map<string, number>();

  add(amount: number, labels: Labels = {}): void {
    const key = labelText(labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + amount);
  }

  lines(name: string): string[] {
    const values = this.#values.size > 0 ? [...this.#values] : [['', 0] as const];
    return values.map(([labels, value]) => `${name}${labels} ${value}`);
  }
}

class Histogram {
  /** Of each bucket alone, without those below it. */
  readonly #counts = new Array<number>(SECONDS.length + 1).fill(0);
  #sum = 0;
  #count = 0;

  observe(seconds: number): void {
    let bucket = 0;
    while (seconds > SECONDS[bucket]!) ++bucket;
    this.#counts[bucket]! += 1;
    this.#sum += seconds;
    ++this.#count;
  }

  lines(name: string): string[] {
    let below = 0;
    const counts = this.#counts.map((count) => (below += count));
    return [
      ...SECONDS.map((limit, i) => `${name}_bucket{le="${limit}"} ${counts[i]}`),
      `${name}_bucket{le="+Inf"} ${this.#count}`,
      `${name}_sum ${this.#sum}`,
      `${name}_count ${this.#count}`,
    ];
  }
}

/** Values that are read when they are asked for. */
export interface Gauges {
  running: number;
  waiting: number;
  ready: boolean;
  steps: number;
  restarts: number;
  cancelled: number;
  /** Engines in memory: more than one after a reload, while requests end on the old one. */
  engines: number;
  /** SHA-256 of the model that answers. */
  hash: string;
  reloads: { loaded: number; refused: number };
  /** Undefined on a server that collects no feedback. */
  feedback: { recording: boolean; lost: number } | undefined;
  /** 99th percentile since the last time, in seconds. */
  eventLoopDelay: number;
}

/** Name, kind, help, and the lines for the full name. */
type Entry = [string, 'counter' | 'gauge' | 'histogram', string, (name: string) => string[]];

function one(value: number): (name: string) => string[] {
  return (name) => [`${name} ${value}`];
}

function feedbackEntries(state: Gauges['feedback']): Entry[] {
  if (!state) return [];
  const lost = 'Answers and safety events that the feedback store could not record.';
  return [
    ['feedback_recording', 'gauge', '1 when answers are recorded.', one(state.recording ? 1 : 0)],
    ['feedback_records_lost_total', 'counter', lost, one(state.lost)],
  ];
}

export class Metrics {
  readonly requests = new Counter();
  readonly promptTokens = new Counter();
  readonly completionTokens = new Counter();
  readonly firstToken = new Histogram();
  readonly betweenTokens = new Histogram();
  readonly requestSeconds = new Histogram();

  /** The text of GET /metrics. */
  render(gauges: Gauges): string {
    const entries: Entry[] = [
      ['requests_total', 'counter', 'Requests by route and status.', (name) => this.requests.lines(name)],
      ['prompt_tokens_total', 'counter', 'Tokens of prompts.', (name) => this.promptTokens.lines(name)],
      [
        'completion_tokens_total',
        'counter',
        'Tokens that were drawn.',
        (name) => this.completionTokens.lines(name),
      ],
      [
        'time_to_first_token_seconds',
        'histogram',
        'From a request to its first token.',
        (name) => this.firstToken.lines(name),
      ],
      [
        'time_between_tokens_seconds',
        'histogram',
        'From one token of a choice to the next.',
        (name) => this.betweenTokens.lines(name),
      ],
      [
        'request_seconds',
        'histogram',
        'From a request to the end of its answer.',
        (name) => this.requestSeconds.lines(name),
      ],
      ['sequences_running', 'gauge', 'Sequences in a slot.', one(gauges.running)],
      ['sequences_waiting', 'gauge', 'Sequences without a slot.', one(gauges.waiting)],
      ['sequences_cancelled_total', 'counter', 'Sequences that were given up.', one(gauges.cancelled)],
      ['engine_ready', 'gauge', '1 when requests are worked on.', one(gauges.ready ? 1 : 0)],
      ['engine_steps_total', 'counter', 'Forward passes.', one(gauges.steps)],
      ['engine_restarts_total', 'counter', 'Restarts of the engine thread.', one(gauges.restarts)],
      ['engines', 'gauge', 'Engines in memory.', one(gauges.engines)],
      [
        'model_info',
        'gauge',
        'The model that answers new requests.',
        (name) => [`${name}${labelText({ hash: gauges.hash })} 1`],
      ],
      [
        'model_reloads_total',
        'counter',
        'Reloads by what became of them.',
        (name) =>
          Object.entries(gauges.reloads).map(([result, count]) => `${name}${labelText({ result })} ${count}`),
      ],
      ...feedbackEntries(gauges.feedback),
      [
        'event_loop_delay_seconds',
        'gauge',
        'Delay of the HTTP thread, 99th percentile since the last scrape.',
        one(gauges.eventLoopDelay),
      ],
    ];
    const blocks = entries.map(([name, type, help, lines]) => {
      const full = `athanor_${name}`;
      return [`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, ...lines(full)].join('\n');
    });
    return `${blocks.join('\n')}\n`;
  }
}
