import { TemplateError } from './errors.ts';
import { type Arguments, Callable } from './functions.ts';
import type { Signature } from './nodes.ts';
import type { Run } from './run.ts';
import { Dict, Tuple, Undefined, type Value } from './values.ts';

/** Renders a macro's body; a parameter that was not given is left out. */
export type MacroBody = (given: ReadonlyMap<string, Value>) => string;

/** A macro, or what a call block hands on as `caller`. */
export class Macro extends Callable {
  readonly type = 'Macro';
  readonly #name: string | undefined;
  readonly #signature: Signature;
  readonly #body: MacroBody;

  constructor(name: string | undefined, signature: Signature, body: MacroBody) {
    super();
    this.#name = name;
    this.#signature = signature;
    this.#body = body;
  }

  call(run: Run, { positional, named }: Arguments): Value {
    const { parameters, reads } = this.#signature;
    const given = new Map<string, Value>();
    const left = new Map(named);
    parameters.forEach(({ name }, i) => {
      const value = i < positional.length ? positional[i] : left.get(name);
      if (i >= positional.length) left.delete(name);
      if (value !== undefined) given.set(name, value);
    });
    if (reads.caller && !parameters.some(({ name }) => name === 'caller')) {
      given.set('caller', left.get('caller') ?? new Undefined('No caller defined'));
      left.delete('caller');
    }
    if (reads.kwargs) given.set('kwargs', new Dict(left));
    else if (left.size > 0) this.#refuse(`takes no keyword argument '${[...left.keys()][0]}'`);
    const more = positional.slice(parameters.length);
    if (reads.varargs) given.set('varargs', new Tuple(more));
    else if (more.length > 0) this.#refuse(`takes not more than ${parameters.length} argument(s)`);
    run.budget.enter();
    const text = this.#body(given);
    run.budget.leave();
    return text;
  }

  #refuse(problem: string): never {
    throw new TemplateError(`macro '${this.#name ?? 'caller'}' ${problem}`);
  }

  override attribute(name: string): Value | undefined {
    const { parameters, reads } = this.#signature;
    switch (name) {
      case 'name':
        return this.#name ?? null;
      case 'arguments':
        return new Tuple(parameters.map((parameter) => parameter.name));
      case 'catch_kwargs':
        return reads.kwargs;
      case 'catch_varargs':
        return reads.varargs;
      case 'caller':
        return reads.caller;
    }
    return undefined;
  }

  override describe(): string {
    return `<Macro ${this.#name === undefined ? 'anonymous' : `'${this.#name}'`}>`;
  }
}
