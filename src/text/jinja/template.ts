/**
 * Templates with the meaning that Jinja2 gives them in the environment that transformers sets up
 * for chat templates: a sandbox with trim_blocks, lstrip_blocks, loop controls and generation
 * blocks.
 */
import { checkSource, DEFAULT_LIMITS, type Limits } from './budget.ts';
import { filters, tests } from './environment.ts';
import { BudgetError, TemplateError } from './errors.ts';
import { fromJson, globals } from './globals.ts';
import { type Marks, NO_MARKS } from './marks.ts';
import type { Scoped } from './nodes.ts';
import { parseTemplate } from './parser.ts';
import { Run, type Span, type TurnSpan } from './run.ts';
import { Scope } from './scope.ts';
import { execute } from './statements.ts';
import type { Value } from './values.ts';

export interface TemplateOptions {
  /** What a rendering may use up. Default: enough for a dialogue of thousands of messages. */
  limits?: Partial<Limits>;
  /** Marks of what the template writes itself. Default none. */
  marks?: Marks;
}

/** A rendered text, and who wrote which part of it. */
export interface Rendering {
  text: string;
  /** What generation blocks wrote. */
  generations: readonly Span[];
  /** What loops over `messages` wrote for each of them. */
  turnSpans: readonly TurnSpan[];
}

export interface RenderOptions {
  /** What strftime_now tells. Default the time of the call. */
  now?: () => Date;
}

export class Template {
  readonly source: string;
  readonly #root: Scoped;
  readonly #limits: Limits;
  readonly #marks: Marks;

  /**
   * Throws TemplateError for a source that is no template, BudgetError for one that is too long.
   */
  constructor(source: string, { limits, marks = NO_MARKS }: TemplateOptions = {}) {
    this.source = source;
    this.#marks = marks;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    checkSource(source, this.#limits);
    this.#root = guarded(() => parseTemplate(source, { filters, tests, mark: (text) => marks.mark(text) }));
  }

  /**
   * The text for these variables, which are JSON; fields that are undefined are not there. What the
   * template wrote itself is marked. Throws TemplateError with the line where it failed, and
   * BudgetError.
   */
  render(variables: Readonly<Record<string, unknown>>, options: RenderOptions = {}): string {
    return this.renderMarked(variables, options).text;
  }

  /** The text as `render` gives it, and the parts of it. */
  renderMarked(variables: Readonly<Record<string, unknown>>, options: RenderOptions = {}): Rendering {
    let line: number | undefined;
    try {
      return guarded(() => {
        const context = new Map<string, Value>(globals);
        for (const [name, value] of Object.entries(variables)) {
          if (value !== undefined) context.set(name, fromJson(value));
        }
        const { now = () => new Date() } = options;
        const messages = context.get('messages');
        const turns = new Map(Array.isArray(messages) ? messages.map((message, i) => [message, i]) : []);
        const run = new Run({ limits: this.#limits, context, marks: this.#marks, now, turns });
        try {
          const scope = new Scope(run, undefined, this.#root.names);
          const { text } = run.capture(() => execute(run, this.#root.body, scope));
          return { text, generations: run.generations, turnSpans: run.turnSpans };
        } catch (error) {
          line = run.line;
          throw error;
        }
      });
    } catch (error) {
      if (error instanceof TemplateError) {
        error.line ??= line;
        error.message = this.#marks.plain(error.message);
      }
      throw error;
    }
  }
}

/** Turns the limits of JavaScript into errors of the template. */
function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const isStack = error.message.includes('call stack');
    const problem = isStack ? 'it nests too deeply' : `it makes a value that is too large: ${error.message}`;
    throw new BudgetError(problem, { cause: error });
  }
}
