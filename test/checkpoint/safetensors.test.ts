import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AthanorError } from '../../src/base/errors.ts';
import { SafetensorsFile, writeSafetensors } from '../../src/checkpoint/safetensors.ts';
import { maxHeaderBytes } from '../../src/checkpoint/safetensors-header.ts';
import {
  bf16FromF32,
  f32FromBf16,
  f32FromF16,
  type TensorData,
  transposed,
} from '../../src/checkpoint/tensor-data.ts';
import { temporaryFolder } from '../helpers/cli.ts';
import { bf16FromNumber, expectError, randomNormal, rng } from '../helpers/reference.ts';

/** A file with this header and so many bytes of data, as another program might write it. */
function write(path: string, header: unknown, dataBytes: number | Uint8Array = 0): string {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const data = typeof dataBytes === 'number' ? Buffer.alloc(dataBytes) : dataBytes;
  writeFileSync(path, Buffer.concat([length, json, data]));
  return path;
}

function readAll(path: string): Map<string, TensorData> {
  using file = SafetensorsFile.open(path);
  return new Map([...file.tensors.keys()].map((name) => [name, file.read(name)]));
}

const f32 = (shape: number[], begin: number, end: number) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});

const samples: [string, TensorData][] = [
  ['floats', { dtype: 'f32', shape: [2, 3], data: randomNormal(6, 1) }],
  ['half', { dtype: 'bf16', shape: [5], data: Uint16Array.of(0, 1, 0x3f80, 0x7fc0, 0xffff) }],
  ['ids', { dtype: 'i32', shape: [1, 3, 1], data: Int32Array.of(-1, 0, 2 ** 31 - 1) }],
  ['counters', { dtype: 'i64', shape: [2], data: BigInt64Array.of(-(2n ** 63n), 2n ** 62n) }],
  ['bytes', { dtype: 'u8', shape: [3], data: Uint8Array.of(0, 128, 255) }],
  ['shorts', { dtype: 'u16', shape: [1], data: Uint16Array.of(65535) }],
  ['scalar', { dtype: 'f32', shape: [], data: Float32Array.of(-0) }],
  ['nothing', { dtype: 'f32', shape: [0, 4], data: new Float32Array() }],
  ['weird "name"\n\u2028', { dtype: 'u8', shape: [1], data: Uint8Array.of(7) }],
];

describe('writeSafetensors', () => {
  it('writes what SafetensorsFile reads', async () => {
    const path = join(temporaryFolder(), 'x.safetensors');
    const written = await writeSafetensors(path, samples, { format: 'pt', note: 'ü' });
    expect(readAll(path)).toEqual(new Map(samples));
    using file = SafetensorsFile.open(path);
    expect(file.metadata).toEqual({ format: 'pt', note: 'ü' });
    expect(written).toMatchObject({ name: 'x.safetensors', bytes: readFileSync(path).length });
  });

  it('writes the bytes of the format', async () => {
    const path = join(temporaryFolder(), 'x.safetensors');
    await writeSafetensors(path, [
      ['b', { dtype: 'u8', shape: [2], data: Uint8Array.of(1, 2) }],
      ['a', { dtype: 'f32', shape: [1], data: Float32Array.of(1) }],
    ]);
    const bytes = readFileSync(path);
    const length = Number(bytes.readBigUInt64LE());
    expect(length % 8).toBe(0);
    expect(JSON.parse(bytes.toString('utf8', 8, 8 + length))).toEqual({
      __metadata__: {},
      b: { dtype: 'U8', shape: [2], data_offsets: [0, 2] },
      a: { dtype: 'F32', shape: [1], data_offsets: [2, 6] },
    });
    expect([...bytes.subarray(8 + length)]).toEqual([1, 2, 0, 0, 0x80, 0x3f]);
  });

  // safetensors 0.8.0 reads all of these.
  it('takes metadata that is null, and dtypes that no weight has', () => {
    const path = join(temporaryFolder(), 'x.safetensors');
    const entry = (dtype: string, count: number, begin: number, end: number) => {
      return { dtype, shape: [count], data_offsets: [begin, end] };
    };
    const header = {
      __metadata__: null,
      a: entry('C64', 1, 0, 8),
      b: entry('F4', 4, 8, 10),
      c: entry('F8_E8M0', 1, 10, 11),
      d: entry('F6_E2M3', 4, 11, 14),
      e: entry('F32', 0, 14, 14),
    };
    using file = SafetensorsFile.open(write(path, header, 14));
    expect(file.metadata).toEqual({});
    expect([...file.tensors.keys()]).toEqual(['a', 'b', 'c', 'd', 'e']);
    expectError('ERR_FORMAT', /"b" is F4, which is not supported/, () => file.read('b'));
  });

  it('asks for data one tensor at a time, so that one buffer serves all', async () => {
    const path = join(temporaryFolder(), 'x.safetensors');
    const buffer = new Float32Array(3_000_000);
    const asked: number[] = [];
    const source = (value: number) => ({
      dtype: 'f32' as const,
      shape: [buffer.length],
      data: () => {
        asked.push(value);
        return buffer.fill(value);
      },
    });
    await writeSafetensors(
      path,
      [1, 2, 3].map((value) => [`t${value}`, source(value)] as const),
    );
    expect(asked).toEqual([1, 2, 3]);
    for (const [i, { data }] of [...readAll(path).values()].entries()) {
      expect((data as Float32Array).every((value) => value === i + 1)).toBe(true);
    }
  });

  it('leaves no file behind when the data is wrong', async () => {
    const path = join(temporaryFolder(), 'x.safetensors');
    const good = { dtype: 'u8', shape: [2], data: Uint8Array.of(1, 2) } as const;
    await expect(writeSafetensors(path, [['short', { ...good, shape: [3] }]])).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/short is u8 \[3\], 3 bytes, but its data has 2/),
    });
    expect(existsSync(path)).toBe(false);
    const twice = writeSafetensors(path, [
      ['a', good],
      ['a', good],
    ]);
    await expect(twice).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: /two tensors are named a/ });
  });

  it('says that the disk is full', async () => {
    const tensors = [['a', { dtype: 'u8', shape: [2], data: Uint8Array.of(1, 2) }]] as const;
    await expect(writeSafetensors('/dev/full', tensors)).rejects.toMatchObject({ code: 'ERR_DISK_FULL' });
    expect(existsSync('/dev/full')).toBe(true);
  });
});

describe('SafetensorsFile', () => {
  it('reads a file of another program, whatever the order', () => {
    const header = { b: f32([1], 4, 8), a: f32([1, 1], 0, 4) };
    const path = write(join(temporaryFolder(), 'x'), header, new Uint8Array(Float32Array.of(5, 6).buffer));
    expect(readAll(path)).toEqual(
      new Map<string, TensorData>([
        ['b', { dtype: 'f32', shape: [1], data: Float32Array.of(6) }],
        ['a', { dtype: 'f32', shape: [1, 1], data: Float32Array.of(5) }],
      ]),
    );
  });

  it('reads half precision as f32', () => {
    const data = new Uint8Array(Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00).buffer);
    const header = { h: { dtype: 'F16', shape: [4], data_offsets: [0, 8] } };
    const path = write(join(temporaryFolder(), 'x'), header, data);
    expect(readAll(path).get('h')).toEqual({
      dtype: 'f32',
      shape: [4],
      data: Float32Array.of(1, -2, 2 ** -24, Number.POSITIVE_INFINITY),
    });
  });

  it('widens nothing and narrows f64 to f32, as transformers does', () => {
    const data = new Uint8Array(Float64Array.of(1 / 3, 1e300, -0).buffer);
    const header = { d: { dtype: 'F64', shape: [3], data_offsets: [0, 24] } };
    const path = write(join(temporaryFolder(), 'x'), header, data);
    expect(readAll(path).get('d')).toEqual({
      dtype: 'f32',
      shape: [3],
      data: Float32Array.of(Math.fround(1 / 3), Number.POSITIVE_INFINITY, -0),
    });
  });

  it('lists dtypes that it does not read, and refuses them by name', () => {
    const path = write(
      join(temporaryFolder(), 'x'),
      { d: { dtype: 'C64', shape: [1], data_offsets: [0, 8] } },
      8,
    );
    using file = SafetensorsFile.open(path);
    expect(file.tensors.get('d')?.dtype).toBe('C64');
    expectError('ERR_FORMAT', /"d" is C64, which is not supported/, () => file.read('d'));
    expectError('ERR_ARGUMENT', /has no tensor "e"/, () => file.read('e'));
  });

  it('refuses to read once closed', async () => {
    const path = join(temporaryFolder(), 'x.safetensors');
    await writeSafetensors(path, samples);
    const file = SafetensorsFile.open(path);
    file.close();
    file.close();
    expectError('ERR_STATE', /is closed/, () => file.read('floats'));
  });

  it.each<[string, unknown, number, RegExp]>([
    ['no JSON', '{"a":', 0, /its header is not JSON/],
    ['an array', '[]', 0, /not a JSON object/],
    [
      'a repeated name',
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}, "a" : {"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      1,
      /"a" is in its header more than once/,
    ],
    [
      'an escaped repeated name',
      '{"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      1,
      /"a" is in its header more than once/,
    ],
    ['no description', { a: 3 }, 0, /"a" is not described/],
    [
      'an unknown dtype',
      { a: { dtype: 'F3', shape: [1], data_offsets: [0, 1] } },
      1,
      /the unknown dtype "F3"/,
    ],
    [
      'a dtype of Object',
      { a: { dtype: 'toString', shape: [1], data_offsets: [0, 1] } },
      1,
      /the unknown dtype "toString"/,
    ],
    ['no dtype', { a: { shape: [1], data_offsets: [0, 1] } }, 1, /the unknown dtype missing/],
    ['a negative size', { a: f32([-1], 0, 4) }, 4, /has the shape \[-1\]/],
    ['a fractional size', { a: f32([0.5], 0, 2) }, 2, /has the shape \[0.5\]/],
    ['a size beyond doubles', { a: f32([2 ** 60], 0, 4) }, 4, /has the shape/],
    ['sizes that overflow', { a: f32([2 ** 50, 2 ** 50], 0, 4) }, 4, /needs .* bytes but its offsets hold 4/],
    ['backward offsets', { a: f32([1], 4, 0) }, 4, /needs 4 bytes but its offsets hold -4/],
    ['wrong offsets', { a: f32([2], 0, 4) }, 4, /F32 \[2\] needs 8 bytes but its offsets hold 4/],
    [
      'three offsets',
      { a: { dtype: 'F32', shape: [1], data_offsets: [0, 4, 8] } },
      4,
      /has the offsets \[0,4,8\]/,
    ],
    ['overlap', { a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12, /"a" and "b" overlap/],
    ['the same place', { a: f32([1], 0, 4), b: f32([1], 0, 4) }, 4, /"a" and "b" overlap/],
    ['a gap', { a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12, /4 bytes before the tensor "b"/],
    ['missing data', { a: f32([4], 0, 16) }, 15, /cut short: the header promises 16 bytes of data but 15/],
    ['spare data', { a: f32([1], 0, 4) }, 5, /1 bytes after the last tensor/],
    ['odd metadata', { __metadata__: { a: 1 } }, 0, /__metadata__ is not an object of strings/],
  ])('names the damage: %s', (_, header, dataBytes, message) => {
    const path = write(join(temporaryFolder(), 'damaged.safetensors'), header, dataBytes);
    expectError('ERR_FILE_DAMAGED', message, () => SafetensorsFile.open(path));
    expectError('ERR_FILE_DAMAGED', /damaged\.safetensors: /, () => SafetensorsFile.open(path));
  });

  it('accepts names that repeat only inside of tensors', () => {
    const header = '{"dtype":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
    expect([...readAll(write(join(temporaryFolder(), 'x'), header, 1)).keys()]).toEqual(['dtype']);
  });

  it('does not believe the length of the header', () => {
    const path = join(temporaryFolder(), 'x');
    const length = Buffer.alloc(16);
    for (const claim of [9n, BigInt(maxHeaderBytes) + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      length.writeBigUInt64LE(claim);
      writeFileSync(path, length);
      expectError('ERR_FILE_DAMAGED', /its header claims/, () => SafetensorsFile.open(path));
    }
    writeFileSync(path, 'short');
    expectError('ERR_FILE_DAMAGED', /it has 5 bytes, too few/, () => SafetensorsFile.open(path));
    writeFileSync(path, '');
    expectError('ERR_FILE_DAMAGED', /it has 0 bytes/, () => SafetensorsFile.open(path));
  });

  it('names what is no file', () => {
    const folder = temporaryFolder();
    expectError('ERR_FILE_MISSING', /none does not exist/, () => SafetensorsFile.open(join(folder, 'none')));
    expectError('ERR_ARGUMENT', /is a folder/, () => SafetensorsFile.open(folder));
  });

  it('survives random damage with one clear error', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'x.safetensors');
    await writeSafetensors(path, samples, { format: 'pt' });
    const whole = readFileSync(path);
    const random = rng(5);
    const outcomes = { read: 0, refused: 0 };
    for (let round = 0; round < 3000; round++) {
      let bytes = Buffer.from(whole);
      for (let i = 0; i <= random.integer(4); i++) {
        const at = random.integer(bytes.length);
        const kind = random.integer(5);
        if (kind === 0) bytes[at] = random.integer(256);
        else if (kind === 1) bytes[at]! ^= 1 << random.integer(8);
        else if (kind === 2) bytes = bytes.subarray(0, Math.max(1, at));
        else if (kind === 3)
          bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(random.integer(at + 1))]);
        else bytes.set(bytes.subarray(random.integer(bytes.length)).subarray(0, bytes.length - at), at);
      }
      writeFileSync(path, bytes);
      try {
        readAll(path);
        outcomes.read++;
      } catch (error) {
        expect(error).toBeInstanceOf(AthanorError);
        expect(['ERR_FILE_DAMAGED', 'ERR_FORMAT']).toContain((error as AthanorError).code);
        expect((error as AthanorError).message).toContain(path);
        outcomes.refused++;
      }
    }
    expect(outcomes.refused).toBeGreaterThan(2000);
    expect(outcomes.read).toBeGreaterThan(10);
  });
});

describe('conversions', () => {
  it('f32 to bf16 rounds to nearest even', () => {
    const special = [
      0,
      -0,
      1,
      1.00390625,
      1.01171875,
      3.4e38,
      -3.4028235e38,
      1e-45,
      Number.POSITIVE_INFINITY,
    ];
    const values = Float32Array.from([...special, Number.NaN, ...randomNormal(1000, 3, 1e3)]);
    expect(bf16FromF32(values)).toEqual(Uint16Array.from(values, bf16FromNumber));
    const noisyNan = new Float32Array(Uint32Array.of(0x7f800001).buffer);
    expect(f32FromBf16(bf16FromF32(noisyNan))[0]).toBeNaN();
  });

  it('bf16 to f32 is exact for every pattern', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const back = bf16FromF32(f32FromBf16(all));
    for (const bits of all) {
      const isNan = (bits & 0x7fff) > 0x7f80;
      expect(isNan ? back[bits]! & 0xffbf : back[bits]).toBe(isNan ? bits & 0xffbf : bits);
    }
  });

  it('f16 to f32 follows IEEE 754', () => {
    const bits = Uint16Array.of(0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x3555, 0x7bff, 0xfc00, 0x7e00);
    const values = [0, -0, 2 ** -24, 1023 * 2 ** -24, 2 ** -14, 0.333251953125, 65504, -Infinity, Number.NaN];
    expect([...f32FromF16(bits)]).toEqual(values);
  });

  it.each([
    [1, 1],
    [1, 7],
    [33, 65],
    [64, 32],
  ])('transposes [%i, %i]', (rows, columns) => {
    const values = randomNormal(rows * columns, 9);
    const result = transposed(values, rows, columns);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) expect(result[j * rows + i]).toBe(values[i * columns + j]);
    }
    expect(transposed(bf16FromF32(values), rows, columns)).toEqual(bf16FromF32(result));
  });
});
