import { spawnSync } from 'node:child_process';
import { Explained, run } from './process.mjs';

/**
 * Runs npm. If npm started us, it runs the same npm, because that one works here. Options
 * as for run().
 */
export async function npm(args, options = { onLine: () => {} }) {
  const cli = process.env.npm_execpath;
  const [program, ...first] = cli?.endsWith('.js') ? [process.execPath, cli] : ['npm'];
  if (spawnSync(program, [...first, '--version']).status !== 0) {
    throw new Explained('npm was not found. Install it with:\n  sudo apt-get install -y npm');
  }
  return run(program, [...first, ...args], options);
}
