/**
 * tokenizer.json: written, read again, read by Hugging Face's own reader, and refused with the name
 * of the unsupported field.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Tokenizer as HuggingFace } from '@huggingface/tokenizers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '../../src/base/json.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import type { SplitPattern } from '../../src/text/vocabulary.ts';
import { allCorners } from './corners.ts';
import { expectSameIds, load, oracles, realTexts } from './oracles.ts';
import { random } from './random.ts';

const folder = mkdtempSync(join(tmpdir(), 'athanor-tokenizer-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const texts = realTexts(12).map(({ text }) => text);
const readJson = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as JsonObject;

// JavaScript's \s is not White_Space: it lacks U+0085 and has U+FEFF. There Hugging Face's
// JavaScript reader differs from its own Rust library and from tiktoken, and its (?i:) does not
// fold the long s.
const javascriptDiffers = /[\u0085\ufeff\u017f]/;

describe.each(['gpt2', 'gpt4', 'gpt4o'] as SplitPattern[])(
  'a trained vocabulary with the pattern %s',
  (pattern) => {
    const path = join(folder, pattern);
    let tokenizer: Tokenizer;
    beforeAll(async () => {
      const specialTokens = ['<|endoftext|>', '<|user|>', '<|\u00e9\u{1f600}|>'];
      tokenizer = await Tokenizer.train(texts, { vocabSize: 3000, pattern, specialTokens });
      tokenizer.save(path);
    });

    it('is the same when read again, from the folder and from the file', () => {
      for (const source of [path, join(path, 'tokenizer.json')]) {
        const again = Tokenizer.load(source);
        expect(again.fingerprint()).toBe(tokenizer.fingerprint());
        expect(again.eosId).toBe(tokenizer.eosId);
        expect([...again.specialTokens]).toEqual([...tokenizer.specialTokens]);
        for (const text of allCorners) expect(again.encode(text)).toEqual(tokenizer.encode(text));
      }
    });

    it('gives the ids that Hugging Face gives', () => {
      const config = readJson(join(path, 'tokenizer_config.json'));
      const theirs = new HuggingFace(readJson(join(path, 'tokenizer.json')), config);
      const check = (text: string) => {
        if (javascriptDiffers.test(text) || !/^\P{Cs}*$/u.test(text)) return;
        const { ids } = theirs.encode(text, { add_special_tokens: false });
        expectSameIds(tokenizer.encode(text, { allowSpecial: true }), ids, text);
      };
      for (const text of [...allCorners, ...texts]) check(text);
      for (let seed = 1; seed <= 100; seed++) {
        const next = random(seed);
        const pool = [...allCorners, ...tokenizer.specialTokens.keys()];
        check(Array.from({ length: 15 }, () => pool[Math.floor(next() * pool.length)]).join(''));
      }
    });

    it('has no vocabulary in common with a differently trained one', async () => {
      const other = await Tokenizer.train(texts, { vocabSize: 2999, pattern });
      expect(other.fingerprint()).not.toBe(tokenizer.fingerprint());
    });
  },
);

it('special tokens that a tokenizer is given come behind its ids, and other readers find them there', () => {
  const path = join(folder, 'given');
  const before = Tokenizer.load(join(folder, 'gpt4'));
  const given = before.withSpecialTokens(['<|user|>', '<|end|>', 'caf\u00e9 \u{1f600}']);
  given.save(path);
  const size = before.vocabSize;
  expect(given.vocabSize).toBe(size + 2);
  expect(['<|end|>', 'caf\u00e9 \u{1f600}'].map((name) => given.idOf(name))).toEqual([size, size + 1]);
  expect(given.idOf('<|user|>')).toBe(before.idOf('<|user|>'));
  expect(given.eosId).toBe(before.eosId);
  const again = Tokenizer.load(path);
  expect(again.fingerprint()).toBe(given.fingerprint());
  const theirs = new HuggingFace(
    readJson(join(path, 'tokenizer.json')),
    readJson(join(path, 'tokenizer_config.json')),
  );
  for (const text of texts) {
    const short = text.slice(0, 2000);
    expect(given.encode(short)).toEqual(before.encode(short));
    const mixed = `<|user|>${short.slice(0, 50)}<|end|>caf\u00e9 \u{1f600}<|en`;
    const { ids } = theirs.encode(mixed, { add_special_tokens: false });
    expectSameIds(again.encode(mixed, { allowSpecial: true }), ids, mixed);
  }
  expect(given.withSpecialTokens(['<|end|>'])).toBe(given);
  expect(() => before.withSpecialTokens(['the'])).toThrow(/"the" has two ids/);
});

describe.each(oracles)('$name written as tokenizer.json', (oracle) => {
  it('gives the same ids when read again', () => {
    const { ours, theirs } = load(oracle);
    const path = join(folder, oracle.name);
    ours.save(path);
    const again = Tokenizer.load(path);
    expect(again.fingerprint()).toBe(ours.fingerprint());
    for (const text of [...allCorners, ...texts])
      expectSameIds(again.encode(text), theirs.encode(text, [], []), text);
  });
});

describe('other spellings of the file', () => {
  let base: JsonObject;
  let reference: Tokenizer;
  let count = 0;
  beforeAll(async () => {
    reference = await Tokenizer.train(texts, { vocabSize: 500 });
    reference.save(join(folder, 'base'));
    base = readJson(join(folder, 'base/tokenizer.json'));
  });

  /** Loads a copy of the base file after a change. */
  function loadChanged(change: (file: JsonObject, model: JsonObject) => void): Tokenizer {
    const file = structuredClone(base);
    change(file, file.model as JsonObject);
    const path = join(folder, `changed-${count++}`);
    mkdirSync(path);
    writeFileSync(join(path, 'tokenizer.json'), JSON.stringify(file));
    return Tokenizer.load(path);
  }

  it('takes merges as strings', () => {
    const again = loadChanged((_, model) => {
      model.merges = (model.merges as string[][]).map((pair) => pair.join(' '));
    });
    expect(again.fingerprint()).toBe(reference.fingerprint());
  });

  it('takes a file without the fields that have defaults, and without special tokens in the vocabulary', () => {
    const again = loadChanged((file, model) => {
      for (const key of ['version', 'truncation', 'padding', 'normalizer', 'post_processor', 'decoder'])
        delete file[key];
      for (const key of Object.keys(model)) if (key !== 'vocab' && key !== 'merges') delete model[key];
      delete (model.vocab as JsonObject)['<|endoftext|>'];
      file.pre_tokenizer = { type: 'ByteLevel', add_prefix_space: false };
    });
    expect(again.fingerprint()).toBe(reference.fingerprint());
  });

  it("takes GPT-2's pattern as a Split", () => {
    const again = loadChanged((file) => {
      const Regex = String.raw`'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
      file.pre_tokenizer = {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
          { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
        ],
      };
    });
    expect(again.fingerprint()).toBe(reference.fingerprint());
  });

  it('keeps ignore_merges, and takes whole pieces first under it', () => {
    const whole = loadChanged((_, model) => {
      model.ignore_merges = true;
      (model.vocab as JsonObject).zqzq = 900;
    });
    expect(Array.from(whole.encode('zqzq'))).toEqual([900]);
    whole.save(join(folder, 'whole'));
    expect(Array.from(Tokenizer.load(join(folder, 'whole')).encode('zqzq'))).toEqual([900]);
    const merged = loadChanged((_, model) => {
      (model.vocab as JsonObject).zqzq = 900;
    });
    expect(merged.encode('zqzq').length).toBeGreaterThan(1);
  });

  it('finds added tokens that are not special in any text', () => {
    const again = loadChanged((file) => {
      (file.added_tokens as JsonValue[]).push({ id: 600, content: 'two words', special: false });
    });
    expect(Array.from(again.encode('two words'))).toEqual([500]);
    expect(again.specialTokens.has('two words')).toBe(false);
    expect(again.decode([500], { skipSpecial: true })).toBe('two words');
    again.save(join(folder, 'added'));
    expect(Tokenizer.load(join(folder, 'added')).fingerprint()).toBe(again.fingerprint());
  });

  it('keeps the post_processor verbatim', () => {
    const post = {
      type: 'TemplateProcessing',
      single: [{ Sequence: { id: 'A', type_id: 0 } }],
      special_tokens: {},
    };
    loadChanged((file) => {
      file.post_processor = post;
    }).save(join(folder, 'post'));
    expect(readJson(join(folder, 'post/tokenizer.json')).post_processor).toEqual(post);
  });

  // tokenizers 0.23.2 reads "abc" with ab, bc as [ab, c], and with ab, bc, ab as [a, bc].
  it('takes a merge that is there twice at its last place', () => {
    const read = (merges: string[][]) =>
      loadChanged((_, model) => {
        const vocab = Object.entries(model.vocab as JsonObject).filter(([, id]) => (id as number) < 256);
        model.vocab = { ...Object.fromEntries(vocab), '<|endoftext|>': 499, ab: 256, bc: 257 };
        model.merges = merges;
      });
    const [ab, bc] = [
      ['a', 'b'],
      ['b', 'c'],
    ];
    const tokens = (tokenizer: Tokenizer) => [...tokenizer.encode('abc')].map((id) => tokenizer.tokenOf(id));
    expect(tokens(read([ab!, bc!]))).toEqual(['ab', 'c']);
    expect(tokens(read([ab!, bc!, ab!]))).toEqual(['a', 'bc']);
  });

  it('takes merges with the first line of merges.txt', () => {
    const again = loadChanged((_, model) => {
      const pairs = (model.merges as string[][]).map((pair) => pair.join(' '));
      model.merges = ['#version: 0.2', ...pairs];
    });
    expect(again.fingerprint()).toBe(reference.fingerprint());
  });

  it('takes the first id and the last flags of an added token that is there twice', () => {
    const token = { id: 499, content: '<|endoftext|>' };
    const same = loadChanged((file) => {
      file.added_tokens = [
        { ...token, special: true },
        { ...token, special: true },
      ];
    });
    expect(same.fingerprint()).toBe(reference.fingerprint());
    const other = loadChanged((file) => {
      file.added_tokens = [
        { ...token, special: true },
        { ...token, id: 700, special: false },
      ];
    });
    expect([other.idOf('<|endoftext|>'), other.specialTokens.size]).toEqual([499, 0]);
  });

  it('takes an added token at its id of the vocabulary, and skips one without text', () => {
    const again = loadChanged((file) => {
      file.added_tokens = [
        { id: 700, content: '<|endoftext|>', special: true },
        { id: 701, content: '', special: true },
      ];
    });
    expect(again.fingerprint()).toBe(reference.fingerprint());
  });

  // tokenizers 0.23.2 gives 9 to <x> and 6, 7 to <y>, <z> where 6 tokens have <x> as 9.
  it('counts the ids of added tokens that the vocabulary lacks, whatever the file says', () => {
    const again = loadChanged((file, model) => {
      const vocab = Object.entries(model.vocab as JsonObject).filter(([, id]) => (id as number) < 256);
      model.vocab = { ...Object.fromEntries(vocab), '<x>': 300 };
      model.merges = [];
      file.added_tokens = ['<x>', '<y>', '<z>'].map((content, i) => ({
        id: 270 + i * 9,
        content,
        special: true,
      }));
    });
    expect(Object.fromEntries(again.specialTokens)).toEqual({ '<x>': 300, '<y>': 257, '<z>': 258 });
  });

  it('takes an empty normalizer, and steps in steps', () => {
    const again = loadChanged((file) => {
      file.normalizer = { type: 'Sequence', normalizers: [] };
      file.pre_tokenizer = {
        type: 'Sequence',
        pretokenizers: [{ type: 'Sequence', pretokenizers: [file.pre_tokenizer!] }],
      };
    });
    expect(again.fingerprint()).toBe(reference.fingerprint());
  });

  it('takes a token named __proto__', () => {
    const again = loadChanged((file) => {
      (file.added_tokens as JsonValue[]).push({ id: 600, content: '__proto__', special: true });
    });
    again.save(join(folder, 'proto'));
    expect(Tokenizer.load(join(folder, 'proto')).idOf('__proto__')).toBe(500);
  });

  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
  const split = (Regex: string, more = {}) => ({
    type: 'Split',
    pattern: { Regex },
    behavior: 'Isolated',
    ...more,
  });
  const sequence = (...pretokenizers: JsonValue[]) => ({ type: 'Sequence', pretokenizers });
  const refusals: [string, (file: JsonObject, model: JsonObject) => void, RegExp][] = [
    [
      'a model of another type',
      (_, model) => (model.type = 'Unigram'),
      /a model of type "Unigram" is not supported/,
    ],
    ['dropout', (_, model) => (model.dropout = 0.1), /model\.dropout 0\.1/],
    ['a word suffix', (_, model) => (model.end_of_word_suffix = '</w>'), /end_of_word_suffix "<\/w>"/],
    [
      'another normalizer',
      (file) => (file.normalizer = { type: 'Precompiled', precompiled_charsmap: '' }),
      /the normalizer "Precompiled" is not supported/,
    ],
    [
      'another one among normalizers',
      (file) =>
        (file.normalizer = { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'BertNormalizer' }] }),
      /the normalizer "BertNormalizer"/,
    ],
    ['another decoder', (file) => (file.decoder = { type: 'Metaspace' }), /decoder "Metaspace"/],
    [
      'another pre_tokenizer',
      (file) => (file.pre_tokenizer = { type: 'UnicodeScripts' }),
      /the pre_tokenizer "UnicodeScripts"/,
    ],
    [
      'no decoder for characters',
      (file) => {
        file.pre_tokenizer = null;
        file.decoder = null;
      },
      /characters without a decoder/,
    ],
    [
      'a backreference',
      (file) => (file.pre_tokenizer = sequence(split('(a)\\1'), byteLevel)),
      /\(a\)\\1: a backreference is not supported/,
    ],
    [
      'a long lookbehind',
      (file) => (file.pre_tokenizer = sequence(split('(?<=ab)c'), byteLevel)),
      /a lookbehind of other than one character/,
    ],
    [
      'an unknown property',
      (file) => (file.pre_tokenizer = sequence(split('\\p{Klingon}'), byteLevel)),
      /the property \\p\{Klingon\} is not supported/,
    ],
    [
      'a pattern of exponentially many states',
      (file) => (file.pre_tokenizer = sequence(split('[ab]*a[ab]{30}c'), byteLevel)),
      /a pattern of so many states/,
    ],
    [
      'another behavior',
      (file) => (file.pre_tokenizer = sequence(split('a', { behavior: 'Dropped' }), byteLevel)),
      /the behavior "Dropped"/,
    ],
    [
      'ByteLevel twice',
      (file) => (file.pre_tokenizer = sequence(byteLevel, byteLevel)),
      /a second ByteLevel/,
    ],
    [
      'a vocabulary that is a list',
      (_, model) => (model.vocab = []),
      /expected model\.vocab to be an object/,
    ],
    ['an id that is text', (_, model) => ((model.vocab as JsonObject).A = '5'), /id of "A" to be a number/],
    ['an id used twice', (_, model) => ((model.vocab as JsonObject).A = 5), /id 5 is given to two tokens/],
    ['a negative id', (_, model) => ((model.vocab as JsonObject).zqzq = -5), /"zqzq" has the id -5/],
    [
      'an enormous id',
      (_, model) => ((model.vocab as JsonObject).zqzq = 1e12),
      /"zqzq" has the id 1000000000000/,
    ],
    [
      'a token in plain spelling',
      (_, model) => ((model.vocab as JsonObject)['a b'] = 700),
      /"a b" is not in byte-level/,
    ],
    [
      'a missing byte',
      (_, model) => delete (model.vocab as JsonObject).A,
      /needs the token|no token for the byte/,
    ],
    ['merges that are no list', (_, model) => (model.merges = 'a b'), /model\.merges to be an array/],
    ['a merge of three', (_, model) => ((model.merges as JsonValue[])[3] = 'a b c'), /model\.merges\[3\]/],
    [
      'a merge of numbers',
      (_, model) => ((model.merges as JsonValue[])[3] = [1, 2]),
      /model\.merges\[3\]\[0\]/,
    ],
    [
      'a merge of no token',
      (_, model) => ((model.merges as JsonValue[])[3] = ['zq', 'q']),
      /needs the token "zq"/,
    ],
    [
      'a merge that makes a special token',
      (file, model) => {
        (file.added_tokens as JsonValue[]).push({ id: 600, content: 'QZ', special: true });
        (model.merges as JsonValue[]).push(['Q', 'Z']);
      },
      /merge 243 makes the special token "QZ"/,
    ],
  ];

  it.each(refusals)('refuses %s, naming the file', (_, change, message) => {
    let error: unknown;
    try {
      loadChanged(change);
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ name: 'AthanorError', code: 'ERR_FORMAT' });
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toContain(join(folder, `changed-${count - 1}`, 'tokenizer.json'));
  });
});
