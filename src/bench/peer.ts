/** Runs the same work in a Python library, on the same machine right after, if python3 has it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import type { JsonObject } from '../base/json.ts';
import { packageRoot } from '../base/package-root.ts';
import type { ModelConfig } from '../nn/config.ts';
import { configToJson } from '../nn/config-json.ts';

/**
 * Throws ERR_STATE when python3 (or $ATHANOR_PYTHON) has no torch.
 * @param what train, generate or gemm
 * @param flags of scripts/bench-torch.py
 */
export function runTorchPeer(what: string, flags: Record<string, string | number | boolean>): JsonObject {
  return runPython('bench-torch.py', [what, ...flagArguments(flags)], {
    name: 'PyTorch',
    remedy:
      'pip install torch==2.13.0 numpy transformers in a virtual environment and set ATHANOR_PYTHON to its python3',
  });
}

/**
 * The same training step with LoRA in transformers and peft, with random weights of the same shape.
 * Throws ERR_STATE when python3 (or $ATHANOR_PYTHON) has no peft.
 * @param flags of scripts/bench-peft.py
 */
export function runPeftPeer(
  config: ModelConfig,
  flags: Record<string, string | number | boolean>,
): JsonObject {
  const folder = mkdtempSync(join(tmpdir(), 'athanor-bench-'));
  try {
    writeFileSync(join(folder, 'config.json'), JSON.stringify(configToJson(config)));
    return runPython('bench-peft.py', [folder, ...flagArguments(flags)], {
      name: 'peft',
      remedy:
        'pip install torch==2.13.0 numpy transformers peft in a virtual environment and set ATHANOR_PYTHON to its python3',
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function flagArguments(flags: Record<string, string | number | boolean>): string[] {
  return Object.entries(flags).flatMap(([name, value]) => {
    if (typeof value === 'boolean') return value ? [`--${name}`] : [];
    return [`--${name}`, String(value)];
  });
}

/** Speed of datatrove by the processor time of its fastest repeat. A MB is a million bytes. */
export interface DatatroveTiming {
  mb_per_cpu_second: number;
  /** Documents that it kept. */
  kept: number;
}

/**
 * FineWeb's rules, or MinHash signatures, in datatrove on the same texts. `kept` counts documents
 * that have signatures for the latter. Throws ERR_STATE when python3 (or $ATHANOR_PYTHON) has no
 * datatrove.
 */
export function runDatatrovePeer(
  what: 'filters' | 'signatures',
  texts: readonly string[],
  repeats: number,
): DatatroveTiming {
  const peer = {
    name: 'datatrove',
    remedy:
      'pip install datatrove==0.10.0 spacy==3.8.16 xxhash in a virtual environment and set ATHANOR_PYTHON to its python3',
  };
  const folder = mkdtempSync(join(tmpdir(), 'athanor-bench-'));
  try {
    const file = join(folder, 'texts.jsonl');
    writeFileSync(file, texts.map((text) => `${JSON.stringify(text)}\n`).join(''));
    const { mb_per_cpu_second, kept } = runPython('bench-datatrove.py', [what, file, `${repeats}`], peer);
    if (typeof mb_per_cpu_second !== 'number' || typeof kept !== 'number') {
      const message = 'datatrove did not run: it gave no figures';
      throw new AthanorError('ERR_STATE', message, 'see scripts/bench-datatrove.py');
    }
    return { mb_per_cpu_second, kept };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The last line that a script of scripts/ prints, as JSON. Throws ERR_STATE when it fails. */
function runPython(
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
