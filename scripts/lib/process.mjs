import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the checkout or of the installed package. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** A failure whose message is all that the user needs. */
export class Explained extends Error {
  explained = true;
}

/**
 * Writes a short line about the current work to stderr. stdout belongs to the command
 * that comes after.
 */
export function say(text) {
  process.stderr.write(`athanor: ${text}\n`);
}

/** The environment without make's own job slots, which a build below us must not use. */
function childEnvironment() {
  const env = { ...process.env };
  for (const name of ['MAKEFLAGS', 'MFLAGS', 'MAKELEVEL']) delete env[name];
  return env;
}

/**
 * Runs a program to its end: { code, output }. With `onLine` its output is captured, and passed on
 * line by line; otherwise it shares our terminal. We outlive it to pass on its code: Ctrl-C reaches
 * it from the terminal, other signals from us.
 */
export function run(program, args, { onLine, cwd = root } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = onLine ? ['ignore', 'pipe', 'pipe'] : 'inherit';
    const child = spawn(program, args, { cwd, env: childEnvironment(), stdio });
    const wait = () => {};
    const forward = (signal) => child.kill(signal);
    process.on('SIGINT', wait);
    process.on('SIGTERM', forward);
    process.on('SIGHUP', forward);

    let output = '';
    let pending = '';
    const take = (chunk) => {
      output += chunk;
      const lines = (pending + chunk).split('\n');
      pending = lines.pop();
      for (const line of lines) onLine(line);
    };
    for (const stream of onLine ? [child.stdout, child.stderr] : []) {
      stream.setEncoding('utf8');
      stream.on('data', take);
    }
    child.on('error', reject);
    child.on('close', (code, signal) => {
      process.off('SIGINT', wait);
      process.off('SIGTERM', forward);
      process.off('SIGHUP', forward);
      resolve({ code: code ?? 128 + constants.signals[signal], output });
    });
  });
}
