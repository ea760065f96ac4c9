/**
 * Applies --device, --dtype and --threads. Only this file imports the engine, when a command runs,
 * so that --help works without it.
 */
export interface EngineChoice {
  readonly device: 'auto' | 'cpu' | 'cuda';
  readonly dtype: 'auto' | 'f32' | 'bf16';
  readonly threads: number | undefined;
  /** Set by training commands: a resumed run keeps its dtype unless the user gives one. */
  readonly resume?: boolean;
  readonly out?: string;
}
export interface Engine {
  readonly device: 'cpu' | 'cuda';
  readonly dtype: 'f32' | 'bf16';
  readonly threads: number;
}

/**
 * Loads the engine, sets its threads and resolves `auto`. Throws ERR_NATIVE_LOAD, and as setDevice.
 */
export async function prepareEngine(
  choice: EngineChoice,
  given: ReadonlySet<string> = new Set(),
): Promise<Engine> {
  const keepsDtype = choice.resume && !(given.has('dtype') && choice.dtype !== 'auto');
  const wanted = (keepsDtype && choice.out !== undefined && (await dtypeOfRun(choice.out))) || choice.dtype;
  const { resolveDtype, setDevice, setThreads } = await import('../native/engine.ts');
  const { native } = await import('../native/addon.ts');
  const device = setDevice(choice.device, {
    dtype: wanted,
    onNote: (text) => process.stderr.write(`${text}\n`),
  });
  if (choice.threads !== undefined) setThreads(choice.threads);
  return { device, dtype: resolveDtype(wanted), threads: native.numThreads() };
}

async function dtypeOfRun(out: string): Promise<'f32' | 'bf16' | undefined> {
  const { savedDtype } = await import('../train/loop/run-file.ts');
  return savedDtype(out);
}
