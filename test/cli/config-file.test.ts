import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AthanorError } from '../../src/base/errors.ts';
import { readConfig } from '../../src/cli/config-file.ts';
import { choice, count, duration, flag, list, number, path } from '../../src/cli/options.ts';
import { temporaryFolder } from '../helpers/cli.ts';

const options = {
  steps: count('', { min: 1 }),
  lr: number(''),
  time: duration(''),
  out: path(''),
  device: choice('', ['auto', 'cpu']),
  resume: flag(''),
  batchSize: count(''),
  data: list(path('')),
};

function read(content: string | Uint8Array): Map<string, { texts: readonly string[]; where: string }> {
  const file = join(temporaryFolder(), 'run.yaml');
  writeFileSync(file, content);
  return readConfig(file, options);
}

function texts(content: string): Record<string, readonly string[]> {
  return Object.fromEntries([...read(content)].map(([key, entry]) => [key, entry.texts]));
}

function failure(content: string | Uint8Array): AthanorError {
  try {
    read(content);
  } catch (error) {
    if (error instanceof AthanorError) return error;
    throw error;
  }
  throw new Error('expected the config to be refused');
}

describe('a config file', () => {
  it('gives the source text of each value, whatever YAML makes of it', () => {
    const yaml = [
      '# a comment',
      'steps: 10k',
      'lr: 3e-4',
      'time: 1:30',
      'out: "runs/été" # another',
      'resume: true',
      'batch_size: 0x10',
      'data: [a.txt, 2024]',
    ].join('\n');
    expect(texts(yaml)).toEqual({
      steps: ['10k'],
      lr: ['3e-4'],
      time: ['1:30'],
      out: ['runs/été'],
      resume: ['true'],
      batchSize: ['0x10'],
      data: ['a.txt', '2024'],
    });
  });

  it('takes both spellings of a name, CRLF, a byte-order mark, anchors and a single value for a list', () => {
    expect(texts('\uFEFFbatch-size: 4\r\nsteps: &n 7\r\nlr: *n\r\ndata: a.txt\r\n')).toEqual({
      batchSize: ['4'],
      steps: ['7'],
      lr: ['7'],
      data: ['a.txt'],
    });
  });

  it.each(['', '# only a comment\n', '---\n'])('may be empty: %j', (content) => {
    expect(texts(content)).toEqual({});
  });

  it('says where each value stands', () => {
    expect(read('steps: 1\n\n\nlr: 2\n').get('lr')?.where).toMatch(/run\.yaml line 4: "lr"$/);
  });
});

describe('a config file is refused', () => {
  it.each([
    ['an unknown option', 'lr: 1\nstpes: 5\n', /line 2: unknown option "stpes"/, 'did you mean "steps"?'],
    ['camelCase', 'batchSize: 5\n', /line 1: unknown option "batchSize"/, 'did you mean "batch-size"?'],
    ['nothing near', 'zebra: 5\n', /line 1: unknown option "zebra"/, /the options are: batch-size, data, /],
    ['an object method', 'constructor: 5\n', /unknown option "constructor"/, /the options are/],
    ['__proto__', '__proto__: 5\n', /unknown option "__proto__"/, /the options are/],
    ['a merge key', '<<: {steps: 1}\n', /unknown option "<<"/, /the options are/],
    ['a shared option', 'json: true\n', /"json" cannot be set in a config file/, /on the command line/],
    ['a boolean for a number', 'lr: 1\n\nsteps: true\n', /line 3: "steps" expects a whole .* got true$/],
    ['a list for a number', 'steps:\n  - 1\n', /line 1: "steps" expects a whole number .* got a list$/],
    ['a map for a path', 'out: {a: 1}\n', /line 1: "out" expects a path but got a map$/],
    ['nothing for a path', 'out:\n', /line 1: "out" expects a path but got nothing$/],
    ['text for a flag', 'resume: "yes"\n', /line 1: "resume" expects true or false but got "yes"$/],
    ['a map in a list', 'data:\n  - a\n  - b: 1\n', /line 3: "data" expects a path but got a map$/],
    ['two of one', 'batch-size: 1\nbatch_size: 2\n', /line 2: "batch_size" is given twice$/],
    ['the same key twice', 'lr: 1\nlr: 2\n', /line 2: .*unique/i],
    ['a list', '- steps\n', /line 1: expected "option: value" lines but got a list$/],
    ['a word', '\n\nsteps\n', /line 3: expected "option: value" lines but got "steps"$/],
    ['broken YAML', 'lr: 1\nout: "a\n', /line \d: /],
    ['two documents', 'lr: 1\n---\nlr: 2\n', /line \d: .*document/],
    ['a tag', 'steps: !!js/function "x"\n', /line 1: .*tag/i],
    ['an unknown alias', 'steps: *nowhere\n', /line 1: \*nowhere has no/],
  ])('for %s', (_, content, message, remedy?: string | RegExp) => {
    const error = failure(content);
    expect(error.code).toBe('ERR_CONFIG');
    expect(error.message).toMatch(message);
    if (remedy !== undefined) expect(error.remedy).toMatch(remedy);
  });

  it('when it is not text, too long or nested too deeply', () => {
    expect(failure(new Uint8Array([0x73, 0xff, 0xfe, 0x80])).message).toMatch(
      /run\.yaml: it is not UTF-8 text/,
    );
    expect(failure('# '.repeat(1 << 16)).message).toMatch(/131072 bytes, .* at most 65536 bytes/);
    expect(failure('['.repeat(20_000)).message).toMatch(/nested too deeply/);
  });

  it('when it is missing or a folder', () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'sub'));
    expect(() => readConfig(join(folder, 'none.yaml'), options)).toThrow(/none\.yaml does not exist/);
    expect(() => readConfig(join(folder, 'sub'), options)).toThrow(/is a folder, not a file/);
  });

  it('or read, whatever damage is done to it', () => {
    // Park-Miller: the same damage in every run.
    let state = 1;
    const random = (below: number) => {
      state = (state * 48271) % 0x7fffffff;
      return state % below;
    };
    const valid = 'steps: 10k\nlr: 3e-4\ndata:\n  - a.txt\n  - &x b.txt\nout: *x\nresume: false\ntime: {}\n';
    const bytes = new TextEncoder().encode(valid.replace('time: {}\n', ''));
    const strange = new TextEncoder().encode('\0\t\n :-?[]{}&*!|>\'"%@`#,<=~\u00e9\uffff');
    const file = join(temporaryFolder(), 'run.yaml');
    let refused = 0;
    for (let round = 0; round < 1000; round++) {
      const damaged = [...bytes];
      for (let edits = 1 + random(4); edits > 0; edits--) {
        const at = random(damaged.length);
        const byte = random(3) === 0 ? random(256) : strange[random(strange.length)]!;
        damaged.splice(at, random(3), ...(random(4) === 0 ? [] : [byte]));
      }
      writeFileSync(file, Uint8Array.from(damaged));
      try {
        for (const entry of readConfig(file, options).values())
          expect(entry.where).toMatch(/run\.yaml line \d+/);
      } catch (error) {
        if (!(error instanceof AthanorError)) throw error;
        refused++;
        expect(error.code).toBe('ERR_CONFIG');
        expect(error.message).toMatch(/run\.yaml( line \d+: |: it is (not UTF-8|text in UTF-16))/);
      }
    }
    expect(refused).toBeGreaterThan(200);
    expect(refused).toBeLessThan(1000);
  });
});
