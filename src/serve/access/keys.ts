/**
 * API keys. A key file has one line per key: a name, and the SHA-256 of the key in hexadecimal. A
 * key itself is shown once, when it is made, and is kept nowhere.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { AthanorError, fileError } from '../../base/errors.ts';

interface StoredKey {
  name: string;
  /** SHA-256 of the key. */
  hash: Buffer;
}

const NAME = /^[\w.@-]{1,64}$/;

export class ApiKeys {
  readonly #keys: readonly StoredKey[];

  private constructor(keys: readonly StoredKey[]) {
    this.#keys = keys;
  }

  /**
   * Reads a key file. Throws ERR_FILE_MISSING, ERR_FORMAT naming the line, and ERR_ARGUMENT for a
   * file without a key.
   */
  static read(path: string): ApiKeys {
    if (!existsSync(path)) {
      const remedy = 'check the path, or make a file with `addKey`';
      throw new AthanorError('ERR_FILE_MISSING', `${path} does not exist`, remedy);
    }
    const keys = readLines(path).flatMap((line, i) => parseLine(line, `${path} line ${i + 1}`));
    if (keys.length > 0) return new ApiKeys(keys);
    throw new AthanorError('ERR_ARGUMENT', `${path} holds no key`, 'make one with `addKey`');
  }

  /** The name of a key that is also one of others, if there is one. */
  sharedWith(others: ApiKeys): string | undefined {
    return this.#keys.find(({ hash }) => others.#keys.some((other) => other.hash.equals(hash)))?.name;
  }

  /**
   * The name of the key, or undefined for a wrong one. Hashes of equal length are compared, all of
   * them and each in constant time: so the time tells neither how much of a key is right nor which
   * key it is.
   */
  nameOf(key: string): string | undefined {
    const hash = hashOf(key);
    let name: string | undefined;
    for (const stored of this.#keys) if (timingSafeEqual(stored.hash, hash)) name = stored.name;
    return name;
  }
}

/**
 * Makes a key and adds its hash to the file, which is made for the owner alone if it is not there.
 * Returns the key. Throws ERR_ARGUMENT for a name with other characters than letters, digits and
 * `_ . @ -`, and for one that the file has.
 */
export function addKey(path: string, name: string): string {
  if (!NAME.test(name)) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${JSON.stringify(name)} cannot name a key`,
      'use letters, digits and _ . @ -, at most 64 of them',
    );
  }
  const lines = existsSync(path) ? readLines(path) : [];
  if (lines.some((line) => line.trim().split(/\s+/)[0] === name)) {
    throw new AthanorError('ERR_ARGUMENT', `${path} has a key of the name ${name}`, 'choose another name');
  }
  const key = `ath-${randomBytes(32).toString('base64url')}`;
  const begin = lines.length > 0 && lines.at(-1) !== '' ? '\n' : '';
  try {
    appendFileSync(path, `${begin}${name} ${hashOf(key).toString('hex')}\n`, { mode: 0o600 });
  } catch (error) {
    throw fileError(error, path, 'write');
  }
  return key;
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split(/\r?\n/);
  } catch (error) {
    throw fileError(error, path);
  }
}

function parseLine(line: string, where: string): StoredKey[] {
  const text = line.replace(/#.*/, '').trim();
  if (text === '') return [];
  const [name = '', hash = '', ...rest] = text.split(/\s+/);
  // The message must not repeat the line: it may hold a key.
  if (!NAME.test(name) || !/^[0-9a-f]{64}$/i.test(hash) || rest.length > 0) {
    throw new AthanorError(
      'ERR_FORMAT',
      `${where}: expected a name and the SHA-256 of a key in hexadecimal`,
      'keys themselves do not belong into the file; `addKey` makes one and writes its hash',
    );
  }
  return [{ name, hash: Buffer.from(hash, 'hex') }];
}
