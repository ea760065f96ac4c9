import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareData } from '../../../src/data/shards/prepare.ts';
import { TokenDataset } from '../../../src/data/shards/token-dataset.ts';
import { native } from '../../../src/native/addon.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { rng } from '../../helpers/reference.ts';
import { defaults, readmes } from './corpora.ts';

let root: string;
let shards: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'athanor-damage-'));
  shards = join(root, 'shards');
  const folder = join(root, 'text');
  mkdirSync(folder);
  for (const [i, file] of readmes.entries()) copyFileSync(file, join(folder, `${i}.md`));
  await prepareData({ ...defaults, sources: [folder], out: shards, partBytes: 4096 });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function copy(): string {
  const folder = temporaryFolder();
  for (const name of readdirSync(shards)) copyFileSync(join(shards, name), join(folder, name));
  return folder;
}

/** A copy with one file changed. */
function changed(name: string, change: (bytes: Buffer) => Buffer | string | undefined): string {
  const folder = copy();
  const bytes = readFileSync(join(folder, name));
  writeFileSync(join(folder, name), change(bytes) ?? bytes);
  return folder;
}

const manifestWith = (changes: object) =>
  changed('manifest.json', (bytes) => JSON.stringify({ ...JSON.parse(bytes.toString()), ...changes }));

describe('a damaged folder of shards', () => {
  it('is named with what is wrong in a shard', () => {
    const train = 'train-00000.bin';
    const problems: [string, RegExp][] = [
      [changed(train, (bytes) => bytes.subarray(0, 200)), /train-00000.bin: it is 200 bytes and should be/],
      [changed(train, (bytes) => bytes.subarray(0, 20)), /not a whole token shard: it has 20 bytes/],
      [changed(train, () => Buffer.alloc(0)), /not a whole token shard: it has 0 bytes/],
      [changed(train, (bytes) => Buffer.concat([bytes, bytes])), /bytes and should be/],
      [changed(train, (bytes) => void bytes.write('ATHCHECK')), /first bytes are not a shard header/],
      [changed(train, (bytes) => void bytes.writeUInt32LE(9, 8)), /version 9 and this build reads 1/],
      [changed(train, (bytes) => void bytes.writeUInt32LE(3, 12)), /claim 3 bytes/],
      [changed(train, (bytes) => void bytes.writeUInt32LE(4, 12)), /its ids have 4 bytes, not 2/],
      [changed(train, (bytes) => void bytes.writeUInt32LE(1000, 16)), /its manifest says/],
      [changed(train, (bytes) => void bytes.writeUInt32LE(0xffffffff, 20)), /claims \d+ tokens/],
      [changed(train, (bytes) => void bytes.writeUInt8(bytes[100]! ^ 1, 100)), /differ from their checksum/],
    ];
    for (const [folder, message] of problems) {
      expect(() => TokenDataset.open(folder, { verify: true })).toThrow(message);
      expect(() => TokenDataset.open(folder, { verify: true })).toThrow(
        expect.objectContaining({
          code: 'ERR_FILE_DAMAGED',
          remedy: expect.stringContaining('data prepare'),
        }),
      );
    }
    const gone = copy();
    rmSync(join(gone, train));
    expect(() => TokenDataset.open(gone)).toThrow(expect.objectContaining({ code: 'ERR_FILE_MISSING' }));
  });

  it('is named with what is wrong in its manifest', () => {
    const { splits } = JSON.parse(readFileSync(join(shards, 'manifest.json'), 'utf8'));
    const shard = splits.train.shards[0];
    const trainOf = (changes: object) => ({ splits: { ...splits, train: { ...splits.train, ...changes } } });
    const problems: [string, RegExp][] = [
      [changed('manifest.json', (bytes) => bytes.subarray(0, 99)), /manifest.json: it is not JSON/],
      [changed('manifest.json', () => 'null'), /it is not a manifest/],
      [changed('manifest.json', () => '[]'), /it is not a manifest/],
      [manifestWith({ version: 3 }), /its version is 3/],
      [manifestWith({ vocab_size: -1 }), /vocab_size/],
      [manifestWith({ vocab_size: 2 ** 40 }), /vocab_size/],
      [manifestWith({ eos_id: 600 }), /eos_id is outside of the vocabulary/],
      [manifestWith({ eos_id: 3 }), /begins with id \d+ and not with the end-of-text token 3/],
      [manifestWith({ width: 3 }), /width is neither 2 nor 4/],
      [manifestWith({ tokenizer_fingerprint: 1 }), /tokenizer_fingerprint/],
      [manifestWith({ sources: 'x' }), /sources/],
      [manifestWith({ sources: ['x'] }), /sources is not a list of names with counts/],
      [manifestWith({ sources: [] }), /train-00000.bin is of no source of the list/],
      [manifestWith({ version: 1 }), /its version is 1/],
      [manifestWith({ inputs: 3 }), /inputs is not a table of files, bytes and sha256/],
      [manifestWith({ recipe: [] }), /recipe is not a table/],
      [manifestWith({ dropped: { empty: 'x' } }), /dropped/],
      [manifestWith({ splits: {} }), /splits.train is missing/],
      [manifestWith(trainOf({ tokens: 1 })), /tokens of train is 1 and its shards sum to/],
      [manifestWith(trainOf({ shards: [{ ...shard, file: '../secret.bin' }] })), /no file or sha256/],
      [manifestWith(trainOf({ shards: [{ ...shard, sha256: 'x' }] })), /no file or sha256/],
      [manifestWith(trainOf({ shards: [{ ...shard, bytes: 1.5 }] })), /bytes of train-00000.bin/],
      [
        manifestWith(
          trainOf({
            tokens: 0,
            documents: 0,
            bytes: 0,
            shards: [{ ...shard, tokens: 0, documents: 0, bytes: 0 }],
          }),
        ),
        /holds 0 tokens in 0 documents/,
      ],
    ];
    for (const [folder, message] of problems) expect(() => TokenDataset.open(folder)).toThrow(message);
    expect(() => TokenDataset.open(root)).toThrow(/not a folder of token shards/);
  });

  it('is named when its contents are wrong where nobody asked for checksums', () => {
    const outside = TokenDataset.open(
      changed('train-00000.bin', (bytes) => void bytes.writeUInt16LE(60000, 64 + 20)),
    );
    expect(() => outside.read('train', 3, 100)).toThrow(
      /train-00000.bin: id 60000 at 10 is outside of the vocabulary of 600/,
    );
    expect(outside.read('train', 0, 10)).toHaveLength(10);
    const begun = changed('train-00000.bin', (bytes) => void bytes.writeUInt16LE(5, 64));
    expect(() => TokenDataset.open(begun)).toThrow(/begins with id 5 and not with the end-of-text token 599/);
    const { documents, tokens } = outside.manifest.splits.train;
    const table = 8 * Math.ceil((64 + 2 * tokens) / 8);
    for (const [entry, value] of [
      [0, 0],
      [1, 1],
      [2, 2 ** 32],
      [documents - 1, tokens - 1],
    ] as const) {
      const folder = changed(
        'train-00000.bin',
        (bytes) => void bytes.writeBigUInt64LE(BigInt(value), table + 16 * entry),
      );
      const dataset = TokenDataset.open(folder);
      expect(() => [...dataset.documents('train')]).toThrow(/its table of documents is not in order/);
    }
  });

  it('holds another tokenizer', () => {
    const folder = manifestWith({ tokenizer_fingerprint: '0'.repeat(64) });
    expect(() => TokenDataset.open(folder).tokenizer()).toThrow(
      expect.objectContaining({ code: 'ERR_MISMATCH' }),
    );
    expect(TokenDataset.open(shards).tokenizer().vocabSize).toBe(600);
  });

  it('that shrinks while it is read is an error and not the end of the process', () => {
    const folder = copy();
    const dataset = TokenDataset.open(folder);
    const count = dataset.tokens('train');
    dataset.read('train', 0, count);
    truncateSync(join(folder, 'train-00000.bin'), 0);
    expect(() => dataset.read('train', 0, count)).toThrow(/cut short while it was open/);
    expect(() => [...dataset.documents('train')]).toThrow(/cut short while it was open/);
  });

  it('never crashes and never passes for whole under random damage', () => {
    const random = rng(11);
    const folder = copy();
    const wholeFiles = ['manifest.json', 'train-00000.bin', 'validation-00000.bin'].map(
      (file) => [file, readFileSync(join(shards, file))] as const,
    );
    for (let round = 0; round < 450; ++round) {
      const [file, whole] = wholeFiles[round % 3]!;
      const cut = random.uniform() < 0.3;
      const damaged = cut ? Buffer.from(whole.subarray(0, random.integer(whole.length))) : Buffer.from(whole);
      // Half of the damage goes where the structure is.
      const reach = random.uniform() < 0.5 ? Math.min(80, damaged.length) : damaged.length;
      for (let i = 0; i < 3 && reach > 0; ++i) damaged[random.integer(reach)] = random.integer(256);
      writeFileSync(join(folder, file), damaged);
      for (const verify of [true, false]) {
        try {
          const dataset = TokenDataset.open(folder, { verify });
          const count = dataset.tokens('train');
          dataset.read('train', Math.max(0, count - 100), Math.min(100, count));
          for (const _ of dataset.documents('train'));
          for (const _ of dataset.documents('validation'));
          dataset.close();
          if (verify && file.endsWith('.bin') && !damaged.equals(whole))
            expect.fail('a damaged shard passed');
        } catch (error) {
          expect(error).toMatchObject({
            name: 'AthanorError',
            code: expect.stringMatching(/^ERR_FILE_(DAMAGED|MISSING)$/),
          });
        }
      }
      writeFileSync(join(folder, file), whole);
    }
  });
});

describe('native shard', () => {
  it('checks what it is given', () => {
    const path = join(shards, 'train-00000.bin');
    const open = (...args: [number, number, number, number]) => new native.NativeShard(path, ...args);
    expect(() => open(64, 1e9, 2, 600)).toThrow(/too short for 1000000000 ids/);
    expect(() => open(64, 2 ** 53 - 1, 4, 600)).toThrow(/too short for 9007199254740991 ids/);
    expect(() => open(2 ** 60, 1, 4, 600)).toThrow(/expected a range of ids/);
    expect(() => open(64, 0, 2, 600)).toThrow(/expected a range of ids/);
    expect(() => open(64, 10, 3, 600)).toThrow(/2 or 4 bytes but got 3/);
    const shard = open(64, 10, 2, 600);
    expect(() => shard.read(5, new Int32Array(6))).toThrow(/ids 5 to 11 are beyond the 10/);
    expect(() => shard.read(0, new Float32Array(6) as unknown as Int32Array)).toThrow(/Int32Array/);
    shard.close();
    expect(() => shard.read(0, new Int32Array(1))).toThrow(expect.objectContaining({ code: 'ERR_STATE' }));
  });
});
