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

/** Made without C++ types to derive anything from. */
const boundByHand = ['setErrorClass', 'signatures'];

function boundSignatures(declarations: Declarations): Map<string, Signature> {
  return new Map(
    native.signatures().map(([name, parameters, result]) => [
      name,
      {
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

  it('have the same arities and types', () => {
    const declared = declarations.signatures();
    for (const name of boundByHand) expect(declared.delete(name), name).toBe(true);
    expect(declared.size).toBeGreaterThan(80);
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
    export interface Inputs {
      /** f32; of any size */
      x: NativeTensor;
      bias?: NativeTensor | undefined;
    }
    export interface XBinding {
      one(inputs: Inputs, kind: Kind, list?: readonly number[]): [NativeTensor | undefined, number];
      two(): void;
      Three: new (a: number) => NativeTensor;
    }`.replace(/^ {4}/gm, '');
  const one = {
    parameters: [
      '{ bias: NativeTensor | undefined; x: NativeTensor; }',
      "'a' | 'b'",
      '(number)[] | undefined',
    ],
    result: '[NativeTensor | undefined, number]',
  };
  const two = { parameters: [] as string[], result: 'void' };

  function compare(bound: Record<string, Signature>, text = source): string[] {
    const declarations = new Declarations([text]);
    const entries = Object.entries(bound).map(([name, { parameters, result }]): [string, Signature] => [
      name,
      {
        parameters: parameters.map((type) => declarations.canonical(type)),
        result: declarations.canonical(result),
      },
    ]);
    return differences(declarations.signatures(), new Map(entries));
  }

  it('finds nothing where nothing differs', () => {
    expect(new Declarations([source]).bindings()).toEqual(new Map([['XBinding', ['one', 'two', 'Three']]]));
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
    expectError('ERR_ARGUMENT', /^\[scale\] expected argument 1 to be a tensor but got number/, () =>
      native.scale(wrong<NativeTensor>(1), 1),
    );
    expectError('ERR_ARGUMENT', /^\[scale\] expected argument 2 to be a number but got undefined/, () =>
      wrong<(x: NativeTensor) => void>(native.scale)(x),
    );
    expectError('ERR_ARGUMENT', /^\[slice\] expected argument 2 to be an integer but got 0.5/, () =>
      native.slice(x, 0.5, 1),
    );
    expectError(
      'ERR_ARGUMENT',
      /^\[globalNorm\] expected argument 1\[1\] to be a tensor but got string/,
      () => native.globalNorm([x, wrong<NativeTensor>('x')]),
    );
    expectError(
      'ERR_DTYPE',
      /^\[empty\] expected argument 2 to be 'f32', 'bf16', 'i32' or 'u8' but got 'f16'/,
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
    expectError(
      'ERR_ARGUMENT',
      /^\[linearForward\] expected argument 1 to be an object but got undefined/,
      () => wrong<() => void>(native.linearForward)(),
    );
  });
});
