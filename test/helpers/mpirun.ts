/** Runs the built command line under mpirun. */
import { type ChildProcess, spawn } from 'node:child_process';
import { cliPath } from './cli.ts';

export interface MpiRun {
  /** That of mpirun. */
  code: number | null;
  /** What was written to both streams. */
  output: string;
}

export interface MpiOptions {
  /** Options of mpirun, besides those for many ranks on few cores as root. */
  options?: readonly string[];
  /** Variables of all ranks, on other machines too. */
  env?: Record<string, string>;
  /** What mpirun is started behind, such as `ip netns exec NAME`. */
  behind?: readonly string[];
  /** Gets the process of mpirun when it has started. */
  started?: (child: ChildProcess) => void;
}

/** `mpirun -n SIZE athanor ARGS`. */
export function mpirun(
  size: number,
  args: readonly string[],
  { options = [], env = {}, behind = [], started }: MpiOptions = {},
): Promise<MpiRun> {
  const many = ['--allow-run-as-root', '--oversubscribe', '--bind-to', 'none'];
  const exported = Object.keys(env).flatMap((name) => ['-x', name]);
  const words = [...many, ...options, ...exported, '-n', String(size), process.execPath, cliPath, ...args];
  const [program, ...rest] = [...behind, 'mpirun', ...words];
  const child = spawn(program!, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  started?.(child);
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}
