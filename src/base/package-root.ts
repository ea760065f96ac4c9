import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's folder: two levels above this file, in src as in dist. Apart from addon.ts, which loads the engine. */
export const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
