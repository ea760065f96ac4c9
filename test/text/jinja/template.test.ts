/** What recorded renders do not show: messages of errors, budgets, the sandbox. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, type Limits } from '../../../src/text/jinja/budget.ts';
import { BudgetError, TemplateError } from '../../../src/text/jinja/errors.ts';
import type { Marks } from '../../../src/text/jinja/marks.ts';
import { Template } from '../../../src/text/jinja/template.ts';

const render = (source: string, context: Record<string, unknown> = {}, limits: Partial<Limits> = {}) =>
  new Template(source, { limits }).render(context);

function failure(work: () => unknown): TemplateError {
  try {
    work();
  } catch (error) {
    if (error instanceof TemplateError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('an error', () => {
  it('has the line where the source cannot be read', () => {
    const error = failure(() => new Template('a\n{% if x %}\n{{ ( }}'));
    expect([error.message, error.line]).toEqual(['unexpected }, expected )', 3]);
  });

  it('has the line where rendering failed', () => {
    const error = failure(() => render('{% for i in [1] %}\n\n{{ nothing.x }}{% endfor %}'));
    expect([error.message, error.line]).toEqual(["'nothing' is undefined", 3]);
  });

  it('is what the template raises', () => {
    expect(failure(() => render("{{ raise_exception('no ' ~ 1) }}")).message).toBe('no 1');
  });
});

describe('a budget', () => {
  const tooMuch = (limits: Partial<Limits>, source: string, message: RegExp) => {
    // The same template is fine without the limit.
    expect(() => render(source)).not.toThrow();
    const error = failure(() => render(source, {}, limits));
    expect(error).toBeInstanceOf(BudgetError);
    expect(error.message).toMatch(message);
  };

  it('bounds the source', () => tooMuch({ source: 3 }, 'four', /^it has more than 3 characters$/));

  it('bounds steps', () => {
    tooMuch({ steps: 50 }, '{% for i in range(30) %}{{ i }}{% endfor %}', /takes more than 50 steps/);
    tooMuch({ steps: 50 }, '{% for i in range(60) %}{% endfor %}', /takes more than 50 steps/);
  });

  it('bounds the text that is written', () => {
    tooMuch({ output: 9 }, '{% for i in range(5) %}ab{% endfor %}', /writes more than 9 characters/);
    tooMuch({ output: 9 }, "{% set x %}{{ 'a' * 10 }}{% endset %}", /writes more than 9 characters/);
  });

  it('bounds what is made and read', () => {
    const work = { work: 1000 };
    for (const source of [
      "{% set x = 'a' * 2000 %}",
      '{% set x = [0] * 2000 %}',
      "{% set x = 'a'.center(2000) %}",
      "{% set x = 'a'.ljust(2000) %}",
      "{% set x = 'a'.zfill(2000) %}",
      "{% set x = 'a'.replace('', 'b' * 600).replace('b', 'c' * 600) %}",
      "{% set x = '%2000d' % 1 %}",
      "{% set x = '%.2000f' % 1 %}",
      "{% set x = '%*d' % (2000, 1) %}",
      "{% set x = '{:2000}'.format(1) %}",
      "{% set x = '{:.2000f}'.format(1) %}",
      "{% set x = 'a'|indent(2000) %}",
      "{% set x = 'a'|center(2000) %}",
      '{% set x = [1]|batch(2000, 1)|list %}',
      '{% set x = [1]|slice(2000)|list %}',
      '{% set x = range(2000)|list %}',
      '{% set x = range(2000)|sum %}',
      '{% set x = [1]|tojson(indent=2000) %}',
      "{% set x = 'a\\tb'.expandtabs(2000) %}",
      "{% set ns = namespace(x='a') %}{% for i in range(11) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
      "{% set ns = namespace(x='a') %}{% for i in range(11) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
      "{% for i in range(100) %}{% set x = 'aaaaaaaaaaaaaaaaaaaa'.count('b') %}{% endfor %}",
      "{% set x = 'a,' * 100 %}{% set y = x.split(',') %}",
    ]) {
      tooMuch(work, source, /reads and makes more than 1,000 characters and items/);
    }
  });

  it('bounds how deep macros and loops call themselves', () => {
    const macro = '{% macro m(n) %}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(20) }}';
    tooMuch({ depth: 10 }, macro, /calls macros more than 10 levels deep/);
    const loop = `{% for x in ${'['.repeat(20)}${']'.repeat(20)} recursive %}{{ loop(x) }}{% endfor %}`;
    tooMuch({ depth: 10 }, loop, /calls macros more than 10 levels deep/);
  });

  it('bounds integers', () => {
    expect(failure(() => render('{{ 3 ** 99999 }}')).message).toMatch(/more than 16,384 bits/);
    const squared =
      '{% set ns = namespace(n=3) %}{% for i in range(40) %}{% set ns.n = ns.n * ns.n %}{% endfor %}';
    expect(failure(() => render(squared)).message).toMatch(/more than 16,384 bits/);
  });

  it('by default ends what would never end, and what nests too deeply', () => {
    const endless = '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}';
    expect(failure(() => render(endless))).toBeInstanceOf(BudgetError);
    expect(failure(() => new Template(`{{ ${'('.repeat(9999)}1${')'.repeat(9999)} }}`)).message).toMatch(
      /nested more than 150 deep/,
    );
    const long = `{{ ${'1 + '.repeat(20_000)}1 }}`;
    expect(failure(() => render(long))).toBeInstanceOf(BudgetError);
  });

  it('leaves room for a dialogue of a thousand messages', () => {
    const messages = Array.from({ length: 1000 }, (_, i) => ({ role: 'user', content: `${i} `.repeat(500) }));
    const source =
      "{% for m in messages %}{{ m.role ~ ': ' ~ m.content.split(' ')|join(' ')|trim }}\n{% endfor %}";
    expect(render(source, { messages })).toHaveLength(
      messages.reduce((sum, { role, content }) => sum + role.length + 2 + content.length, 0),
    );
    expect(DEFAULT_LIMITS.steps).toBeGreaterThan(100 * messages.length);
  });
});

describe('the sandbox', () => {
  const context = { messages: [{ role: 'user', content: 'x' }], n: 1, f: 1.5, t: true };

  it('has no way to objects of JavaScript', () => {
    for (const name of [
      'constructor',
      '__proto__',
      'prototype',
      'toString',
      'hasOwnProperty',
      'valueOf',
      'call',
      'items_',
    ]) {
      for (const value of [
        "'a'",
        '[1]',
        '{}',
        '(1,)',
        'n',
        'f',
        't',
        'none',
        'range',
        'range(2)',
        'messages[0]',
        'namespace()',
        'dict',
        'joiner()',
      ]) {
        const source = `{{ (${value}).${name} is defined }}{{ (${value})['${name}'] is defined }}`;
        expect(render(source, context), source).toBe('FalseFalse');
      }
      expect(render(`{{ ${name} is defined }}`, context)).toBe('False');
      expect(() => render(`{{ 'a'|${name} }}`, context)).toThrow(TemplateError);
      expect(() => render(`{{ 'a' is ${name} }}`, context)).toThrow(TemplateError);
    }
  });

  it('takes names of JavaScript as fields and variables like others', () => {
    const own = JSON.parse('{"d": {"__proto__": 1, "constructor": 2}}') as Record<string, unknown>;
    expect(render('{{ d }}{{ d.constructor }}{{ d["__proto__"] }}', own)).toBe(
      "{'__proto__': 1, 'constructor': 2}21",
    );
    expect(
      render('{% set ns = namespace(constructor=1) %}{% set ns.__proto__ = 2 %}{{ ns.constructor }}'),
    ).toBe('1');
    expect(render("{{ '%(constructor)s'|format(constructor=3) }}{{ '{toString}'.format(toString=4) }}")).toBe(
      '34',
    );
    expect(() => render("{{ '{toString}'.format(x=4) }}")).toThrow(TemplateError);
  });

  it('changes no list or dict', () => {
    for (const call of [
      'messages.append(1)',
      'messages.clear()',
      'messages[0].update({})',
      "messages[0].pop('role')",
    ]) {
      expect(() => render(`{{ ${call} }}`, context)).toThrow(TemplateError);
    }
  });
});

// The texts are Jinja2 3.1.6's.
it('makes the query of a URL of a mapping and of pairs', () => {
  expect(render("{{ {'é b': 'c/d?', 'z': 1}|urlencode }}")).toBe('%C3%A9+b=c%2Fd%3F&z=1');
  expect(render("{{ [['a b', 'c/d']]|urlencode }}{{ []|urlencode }}")).toBe('a+b=c%2Fd');
  expect(render("{{ 'a b/c'|urlencode }}{{ none|urlencode }}")).toBe('a%20b/cNone');
  expect(failure(() => render('{{ [[1, 2, 3]]|urlencode }}'))).toBeInstanceOf(TemplateError);
});

it('keeps the marks of its own text, wherever a text is spelled', () => {
  const marks: Marks = {
    characters: '\udc00',
    mark: (text) => text.replaceAll('<', '\udc00'),
    plain: (text) => text.replaceAll('\udc00', '<'),
    whole: (text) => text,
  };
  const template = new Template("{{ ['<é', x] }}{{ '<é🙂'|tojson(ensure_ascii=true) }}", { marks });
  expect(template.render({ x: '<' })).toBe("['\udc00é', '<']\"\udc00\\u00e9\\ud83d\\ude42\"");
  expect(new Template('{{ [x] }}').render({ x: '\ue000' })).toBe("['\\ue000']");
});
