/** Runs the same work in Python, on the same machine right after, if python3 has what it needs. */
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
  const remedy =
    'pip install torch==2.13.0 numpy transformers in a virtual environment and set ATHANOR_PYTHON to its python3';
  return runPython('PyTorch', 'bench-torch.py', [what, ...args], remedy);
}

/**
 * The signatures of a JSONL file of texts by datatrove, as MB/s of its process. Throws ERR_STATE
 * when python3 (or $ATHANOR_PYTHON) has no datatrove.
 */
export function runDatatrovePeer(texts: string, repeats: number): JsonObject {
  const remedy =
    'pip install datatrove spacy xxhash in a virtual environment and set ATHANOR_PYTHON to its python3';
  return runPython('datatrove', 'bench-datatrove.py', [texts, String(repeats)], remedy);
}

/** The JSON of the last line that a script prints. */
function runPython(what: string, name: string, args: readonly string[], remedy: string): JsonObject {
  const script = join(packageRoot, 'scripts', name);
  const python = process.env.ATHANOR_PYTHON ?? 'python3';
  const run = spawnSync(python, [script, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const last = run.stdout?.trim().split('\n').at(-1) ?? '';
  if (run.status !== 0 || !last.startsWith('{')) {
    const cause = run.error?.message ?? run.stderr?.trim().split('\n').at(-1) ?? 'no output';
    throw new AthanorError('ERR_STATE', `${what} did not run: ${cause}`, remedy);
  }
  return JSON.parse(last) as JsonObject;
}
