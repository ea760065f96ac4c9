/**
 * The kernels of native/cuda on the CPU: the test programs of native/test, and the engine over
 * the emulated kernels.
 */
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../src/base/package-root.ts';

const execute = promisify(execFile);
export const testBuild = join(packageRoot, 'build/test');
const engineBuild = join(packageRoot, 'build/cmake');

/** Runs a program to its end; what it printed, failed or not. */
export async function output(program: string, args: readonly string[], env: Record<string, string> = {}) {
  try {
    const options = { env: { ...process.env, ...env }, cwd: packageRoot, maxBuffer: 1 << 26 };
    const { stdout, stderr } = await execute(program, args, options);
    return { code: 0, text: `${stdout}\n${stderr}` };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, text: `${stdout}\n${stderr}` };
  }
}

async function must(program: string, args: readonly string[]): Promise<void> {
  const { code, text } = await output(program, args);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}\n${text.split('\n').slice(-40).join('\n')}`);
}

/**
 * Runs a program that builds something. Test files run side by side, so one at a time, by a lock.
 */
export async function locked(...command: string[]): Promise<void> {
  mkdirSync(testBuild, { recursive: true });
  await must('flock', [join(testBuild, 'lock'), ...command]);
}

/** Brings targets of native/test up to date. */
export async function buildEmulator(...targets: string[]): Promise<void> {
  await locked('cmake', '-S', join(packageRoot, 'native/test'), '-B', testBuild);
  const jobs = ['--parallel', String(availableParallelism())];
  await locked('cmake', '--build', testBuild, ...jobs, ...targets.flatMap((name) => ['--target', name]));
}

/**
 * The addon over the emulated kernels, for ATHANOR_NATIVE. All but its link is built for
 * other tests already.
 */
export async function buildEmulatedAddon(): Promise<string> {
  await buildEmulator('athanor_emulated_kernels');
  await locked('cmake', '--build', engineBuild, '--target', 'athanor_emulated');
  return join(engineBuild, 'Release/athanor_emulated.node');
}
