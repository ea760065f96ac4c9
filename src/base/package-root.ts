import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The folder of the package, two levels above this file both in src and in dist. It is separate
 * from addon.ts so that its users do not load the engine.
 */
export const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
