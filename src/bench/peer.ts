/** Runs the same work in a Python library, on the same machine right after, if python3 has it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import type { JsonObject } from '../base/json.ts';
import { packageRoot } from '../base/package-root.ts';

/**
 * Throws ERR_STATE when python3 (or $ATHANOR_PYTHON) has no torch.
 * @param what train, generate or gemm
 * @param flags of scripts/bench-torch.py
 */
export function runTorchPeer(what: string, flags: Record<string, string | number | boolean>): JsonObject {
  const args = Object.entries(flags).flatMap(([name, value]) => {
    if (typeof value === 'boolean') return value ? [`--${name}`] : [];
    return [`--${name}`, String(value)];
  });
  return runPython('bench-torch.py', [what, ...args], {
    name: 'PyTorch',
    remedy:
      'pip install torch==2.13.0 numpy transformers in a virtual environment and set ATHANOR_PYTHON to its python3',
  });
}

/** The last line that a script of scripts/ prints, as JSON. Throws ERR_STATE when it fails. */
export function runPython(
  script: string,
  args: readonly string[],
  peer: { name: string; remedy: string },
): JsonObject {
  const python = process.env.ATHANOR_PYTHON ?? 'python3';
  const run = spawnSync(python, [join(packageRoot, 'scripts', script), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const last = run.stdout?.trim().split('\n').at(-1) ?? '';
  if (run.status !== 0 || !last.startsWith('{')) {
    const cause = run.error?.message ?? run.stderr?.trim().split('\n').at(-1) ?? 'no output';
    throw new AthanorError('ERR_STATE', `${peer.name} did not run: ${cause}`, peer.remedy);
  }
  return JSON.parse(last) as JsonObject;
}
