/**
 * Holds the hand-written interfaces of src/native and the addon together: the same names, arities
 * and types, both ways.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/base/package-root.ts';
import { native } from '../../src/native/addon.ts';
import type { Activation } from '../../src/native/binding/linear.ts';
import type { NativeTensor } from '../../src/native/binding.ts';
import { Declarations, differences, type Signature } from '../helpers/binding-types.ts';
import { expectError, tensor } from '../helpers/reference.ts';

const folder = join(packageRoot, 'src/native');
const sources = ['binding.ts', ...readdirSync(join(folder, 'binding')).map((name) => join('binding', name))]
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join(folder, name), 'utf8'));

/** Made without C++ types to derive anything from: JavaScript never constructs a tensor. */
const boundByHand = ['setErrorClass', 'signatures', 'NativeTensor', 'NativeTensor.dispose'];

function boundSignatures(declarations: Declarations): Map<string, Signature> {
  return new Map(
    native.signatures().map(([name, names, parameters, result]) => [
      name,
      {
        names,
        parameters: parameters.map((type) => declarations.canonical(type)),
        result: declarations.canonical(result),
      },
    ]),
  );
}

describe('the addon and its TypeScript interface', () => {
  const declarations = new Declarations(sources);
  const members = [...declarations.bindings().values()].flat();

  it('name each member once', () => {
    expect(members.filter((name, i) => members.indexOf(name) !== i)).toEqual([]);
  });

  it('have the same names on both sides', () => {
    // Binding itself only joins the others.
    expect([...members].sort()).toEqual(Object.keys(native).sort());
  });

  it('have every family in Binding', () => {
    const extended = sources[0]!.match(/export interface Binding\s+extends ([^{]*)/)?.[1] ?? '';
    const families = [...declarations.bindings().keys()].filter((name) => name !== 'Binding');
    expect(
      extended
        .split(/[\s,]+/)
        .filter(Boolean)
        .sort(),
    ).toEqual(families.sort());
  });

  it('have the same arities, names and types', () => {
    const declared = declarations.signatures();
    for (const name of boundByHand) expect(declared.delete(name), name).toBe(true);
    expect(declared.size).toBeGreaterThan(90);
    expect([...declared.keys()]).toContain('NativeShard');
    expect([...declared.keys()]).toContain('NativeDecoder.forward');
    expect(differences(declared, boundSignatures(declarations))).toEqual([]);
  });
});

describe('the comparison', () => {
  const source = `
    /** two( */
    export type Kind = 'b' | 'a';
    export interface NativeTensor {
      dispose(): void;
    }
    export interface Three {
      run(times: number): Promise<NativeTensor>;
    }
    export interface Inputs {
      /** f32; of any size */
      x: NativeTensor;
      bias?: NativeTensor | undefined;
    }
    export interface XBinding {
      one(inputs: Inputs, kind: Kind, list?: readonly number[]): [NativeTensor | undefined, number];
      two(): void;
      NativeTensor: new () => NativeTensor;
      Three: new (
        a: number,
        kind?: Kind,
      ) => Three;
    }`.replace(/^ {4}/gm, '');
  const one = {
    names: ['inputs', 'kind', 'list'],
    parameters: [
      '{ bias: NativeTensor | undefined; x: NativeTensor; }',
      "'a' | 'b'",
      '(number)[] | undefined',
    ],
    result: '[NativeTensor | undefined, number]',
  };
  const two: Signature = { names: [], parameters: [], result: 'void' };
  const made: Record<string, Signature> = {
    NativeTensor: { names: [], parameters: [], result: 'NativeTensor' },
    'NativeTensor.dispose': two,
    Three: { names: ['a', 'kind'], parameters: ['number', "'a' | 'b' | undefined"], result: 'Three' },
    'Three.run': { names: ['times'], parameters: ['number'], result: 'Promise<NativeTensor>' },
  };

  function compare(bound: Record<string, Signature>, text = source): string[] {
    const declarations = new Declarations([text]);
    const all = Object.entries({ ...made, ...bound });
    const entries = all.map(([name, { names, parameters, result }]): [string, Signature] => [
      name,
      {
        names,
        parameters: parameters.map((type) => declarations.canonical(type)),
        result: declarations.canonical(result),
      },
    ]);
    return differences(declarations.signatures(), new Map(entries));
  }

  it('finds nothing where nothing differs', () => {
    expect(new Declarations([source]).bindings()).toEqual(
      new Map([['XBinding', ['one', 'two', 'NativeTensor', 'Three']]]),
    );
    expect(compare({ one, two })).toEqual([]);
  });

  it('finds a function that is missing on either side', () => {
    expect(compare({ one })).toEqual(['two is declared but not bound']);
    expect(compare({ one, two, four: two })).toEqual(['four is bound but not declared']);
  });

  it('finds a wrong arity', () => {
    const short = { ...one, parameters: one.parameters.slice(0, 2) };
    expect(compare({ one: short, two })).toEqual(['one is declared with 3 parameters and has 2']);
  });

  it('finds another name of a parameter', () => {
    const renamed = { ...one, names: ['inputs', 'sort', 'list'] };
    expect(compare({ one: renamed, two })).toEqual(['one, parameter 2: declared as kind, bound as sort']);
  });

  it('finds a constructor and a method that differ', () => {
    const [three, run] = [made.Three!, made['Three.run']!];
    expect(compare({ one, two, Three: { ...three, parameters: ['string', three.parameters[1]!] } })).toEqual([
      'Three, parameter 1: declared number, bound string',
    ]);
    expect(compare({ one, two, 'Three.run': { ...run, result: 'void' } })).toEqual([
      'Three.run, result: declared Promise<NativeTensor>, bound void',
    ]);
  });

  it('finds a wrong type of a parameter, of a field, of a word and of the result', () => {
    const planted: [string, Signature, RegExp][] = [
      [
        'a number for a list',
        { ...one, parameters: [...one.parameters.slice(0, 2), 'number'] },
        /parameter 3: .*bound number/,
      ],
      [
        'a field that is not optional',
        { ...one, parameters: ['{ bias: NativeTensor; x: NativeTensor }', ...one.parameters.slice(1)] },
        /parameter 1/,
      ],
      [
        'a field that is not declared',
        {
          ...one,
          parameters: [
            '{ bias: NativeTensor | undefined; x: NativeTensor; y: number }',
            ...one.parameters.slice(1),
          ],
        },
        /parameter 1/,
      ],
      [
        'another word',
        { ...one, parameters: [one.parameters[0]!, "'a' | 'c'", one.parameters[2]!] },
        /parameter 2: declared 'a' \| 'b', bound 'a' \| 'c'/,
      ],
      [
        'another result',
        { ...one, result: '[NativeTensor, number]' },
        /result: declared \[NativeTensor \| undefined, number\]/,
      ],
    ];
    for (const [what, signature, line] of planted) {
      const found = compare({ one: signature, two });
      expect(found, what).toHaveLength(1);
      expect(found[0], what).toMatch(line);
    }
  });
});

describe('what crosses the border', () => {
  const x = tensor([1, 2], [1, 2]);
  const weight = tensor([1, 2], [3, 4]);
  const wrong = <T>(value: unknown) => value as T;

  it('is refused by the operation and the argument', () => {
    expectError('ERR_ARGUMENT', /^\[scale\] expected a to be a tensor but got number/, () =>
      native.scale(wrong<NativeTensor>(1), 1),
    );
    expectError('ERR_ARGUMENT', /^\[scale\] expected alpha to be a number but got undefined/, () =>
      wrong<(x: NativeTensor) => void>(native.scale)(x),
    );
    expectError('ERR_ARGUMENT', /^\[slice\] expected begin to be an integer but got 0.5/, () =>
      native.slice(x, 0.5, 1),
    );
    expectError(
      'ERR_ARGUMENT',
      /^\[squaresByChunk\] expected tensors\[1\] to be a tensor but got string/,
      () => native.squaresByChunk([x, wrong<NativeTensor>('x')]),
    );
    expectError(
      'ERR_DTYPE',
      /^\[empty\] expected dtype to be 'f32', 'bf16', 'i32' or 'u8' but got 'f16'/,
      () => native.empty([1], wrong<'f32'>('f16')),
    );
  });

  it('is refused by the field of an object', () => {
    const inputs = { x, weight, activation: 'none', savePreactivation: false } as const;
    const run = (changes: object) => () => native.linearForward({ ...inputs, ...changes });
    expect(Array.from(native.read(run({})()[0]))).toEqual([11]);
    expectError(
      'ERR_ARGUMENT',
      /^\[linearForward\] expected weight to be a tensor but got undefined/,
      run({ weight: undefined }),
    );
    expectError(
      'ERR_ARGUMENT',
      /^\[linearForward\] expected bias to be a tensor but got number/,
      run({ bias: 1 }),
    );
    expectError(
      'ERR_ARGUMENT',
      /expected savePreactivation to be a boolean but got string/,
      run({ savePreactivation: 'no' }),
    );
    expectError(
      'ERR_ARGUMENT',
      /expected activation to be 'none' or 'gelu' but got number/,
      run({ activation: 1 }),
    );
    expectError(
      'ERR_ARGUMENT',
      /expected activation to be 'none' or 'gelu' but got 'gelu_new, .*'/,
      run({
        activation: wrong<Activation>(`gelu_new, ${'of a name longer than any word'.repeat(3)}`),
      }),
    );
    expectError('ERR_ARGUMENT', /^\[linearForward\] expected inputs to be an object but got undefined/, () =>
      wrong<() => void>(native.linearForward)(),
    );
  });

  it('is refused by the argument of a constructor and of a method', () => {
    expectError(
      'ERR_ARGUMENT',
      /^\[NativeShard\] expected vocabSize to be a number but got undefined/,
      () => new (wrong<new (...args: unknown[]) => object>(native.NativeShard))('x', 0, 0, 2),
    );
    expectError(
      'ERR_ARGUMENT',
      /^\[NativeTokenizerTrainer\] expected reserved\[1\] to be a Uint8Array but got number/,
      () => new native.NativeTokenizerTrainer('gpt2', ['a', wrong<string>(1)]),
    );
    const trainer = new native.NativeTokenizerTrainer('gpt2', []);
    expectError(
      'ERR_ARGUMENT',
      /^\[NativeTokenizerTrainer.count\] expected texts to be an array of texts but got string/,
      () => trainer.count(wrong<string[]>('text')),
    );
    expectError(
      'ERR_ARGUMENT',
      /^\[NativeTokenizerTrainer.train\] expected minCount to be a number but got undefined/,
      () => wrong<{ train(tokens: number): unknown }>(trainer).train(300),
    );
  });
});
