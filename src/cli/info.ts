/**
 * `athanor info`: everything that a bug report needs. It also works without the engine, and then
 * says why the engine could not be loaded.
 */
import { AthanorError } from '../base/errors.ts';
import { cacheFolder, cpuInfo, findGpus, findSystemLibraries, memoryInfo } from '../base/machine.ts';
import { packageRoot } from '../base/package-root.ts';
import { packageVersion } from '../base/package-version.ts';
import { defineCommand } from './command.ts';
import { engineOptions, inGroup, path } from './options.ts';

async function usableDevice(device: 'auto' | 'cpu' | 'cuda'): Promise<string> {
  const { setDevice } = await import('../native/engine.ts');
  return setDevice(device, { onNote: (text) => process.stderr.write(`${text}\n`) });
}

async function engineInfo(threads: number | undefined) {
  const { native } = await import('../native/addon.ts');
  if (threads !== undefined) native.setNumThreads(threads);
  return {
    compiler: native.compiler(),
    isas_built: native.builtIsas(),
    isas_supported: native.supportedIsas(),
    isa_active: native.activeIsa(),
    threads: native.numThreads(),
    cuda: native.cudaStatus()[1],
    libraries: native.cudaLibraries().map(([name, version, path, problem]) => ({
      name,
      version: version || null,
      path: path || null,
      problem: problem || null,
    })),
    error: null,
  };
}

const noEngine = {
  compiler: null,
  isas_built: [],
  isas_supported: [],
  isa_active: null,
  threads: null,
  cuda: null,
  libraries: [],
};

function systemLibrary([name, path]: [string, string | null]) {
  return { name, version: null, path, problem: path === null ? 'not found by the dynamic linker' : null };
}

/** A role of tokens as the output shows it. */
const roleNames = { bos: 'begins', eos: 'ends', pad: 'pads' } as const;

/** What a model folder holds, and the tokens that begin, end and pad its texts. */
async function modelInfo(folder: string) {
  const { readDescription } = await import('../checkpoint/load-model.ts');
  const { textEnds } = await import('../checkpoint/text-ends.ts');
  const { ChatTemplate } = await import('../text/chat-template.ts');
  const { Tokenizer } = await import('../text/tokenizer.ts');
  const { config, head } = readDescription(folder);
  const tokenizer = Tokenizer.load(folder);
  const ends = textEnds(folder, tokenizer);
  const named = (ids: readonly number[]) => ids.map((id) => ({ id, token: tokenizer.tokenOf(id) ?? null }));
  const roles = (['bos', 'eos', 'pad'] as const).map((role) => {
    const end = ends[role];
    return { role, tokens: named(end?.ids ?? []), source: end?.source ?? null };
  });
  const answers = tokenizer.chatTemplate === undefined ? undefined : ChatTemplate.of(tokenizer);
  return {
    folder,
    architecture: config.architecture,
    head,
    rows: config.vocabSize,
    tokens: tokenizer.vocabSize,
    roles,
    /** An answer to messages also ends here. */
    answer_ends: answers === undefined ? null : named(answers.stopTokens),
    chat_template: tokenizer.chatTemplateFile ?? null,
  };
}

async function collect(
  device: 'auto' | 'cpu' | 'cuda',
  threads: number | undefined,
  model: string | undefined,
) {
  const cpu = cpuInfo();
  const memory = memoryInfo();
  const [gpus, system, { libraries, ...engine }] = await Promise.all([
    findGpus(),
    findSystemLibraries(),
    engineInfo(threads).catch((error: unknown) => {
      if (!(error instanceof AthanorError && error.code === 'ERR_NATIVE_LOAD')) throw error;
      return { ...noEngine, error: `${error.message}\n${error.remedy}` };
    }),
  ]);
  return {
    versions: { athanor: packageVersion(), node: process.versions.node },
    engine,
    device: engine.error === null ? await usableDevice(device) : null,
    cpu: { model: cpu.model, cores: cpu.cores, usable_cores: cpu.usableCores, features: cpu.features },
    memory: { total_bytes: memory.total, free_bytes: memory.free, limit_bytes: memory.limit },
    gpus: gpus.map(({ name, memoryBytes, driver }) => ({ name, memory_bytes: memoryBytes, driver })),
    libraries: [...Object.entries(system).map(systemLibrary), ...libraries],
    folders: { package: packageRoot, cache: cacheFolder() },
    model: model === undefined ? null : await modelInfo(model),
  };
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

type Info = Awaited<ReturnType<typeof collect>>;

function modelRows(model: NonNullable<Info['model']>): [string, string][] {
  const spelled = (tokens: readonly { id: number; token: string | null }[]) =>
    tokens
      .map(({ id, token }) => `${id} ${token === null ? '(no token)' : JSON.stringify(token)}`)
      .join(', ');
  const { folder, architecture, head, rows, tokens, roles, answer_ends: answers } = model;
  const table: [string, string][] = [
    ['model', `${folder}: ${architecture}, ${head}, ${rows} rows for ${tokens} tokens`],
  ];
  for (const { role, tokens: named, source } of roles) {
    const text = source === null ? 'nothing says' : `${spelled(named)}, by ${source}`;
    table.push([`${roleNames[role]} a text`, text]);
  }
  if (answers) table.push(['ends an answer', `${spelled(answers)}, by ${model.chat_template}`]);
  return table;
}

/**
 * The first line of a problem, which says what to do, without the name that begins it. --json has
 * the rest: the places that were tried.
 */
function inShort(problem: string): string {
  return problem.split('\n')[0]!.replace(/^\[\w+\] /, '');
}

function render({ versions, engine, device, cpu, memory, gpus, libraries, folders, model }: Info): string {
  const libraryTexts = libraries.map(({ name, version, path, problem }) =>
    problem === null ? [name, version, path].filter(Boolean).join(' ') : `${name} ${inShort(problem)}`,
  );
  const limit =
    memory.limit_bytes === null ? '' : `, ${gibibytes(memory.limit_bytes)} allowed to this process`;
  const gpuTexts = gpus.map(({ name, memory_bytes, driver }) =>
    [name, memory_bytes === null ? '' : gibibytes(memory_bytes), driver ? `driver ${driver}` : '']
      .filter(Boolean)
      .join(', '),
  );
  const rows: [string, string][] = [
    ['athanor', versions.athanor],
    ['node', versions.node],
    ['engine', engine.error ?? `built by ${engine.compiler}`],
    ['instruction sets', `${engine.isas_built.join(' ') || 'none'} built`],
    ['', `${engine.isas_supported.join(' ') || 'none'} run here, ${engine.isa_active ?? 'none'} active`],
    ['device', device ?? 'none'],
    ['cuda', engine.cuda ?? 'unknown'],
    ['cpu', `${cpu.model}, ${cpu.usable_cores} of ${cpu.cores} cores usable`],
    ['cpu features', cpu.features.join(' ')],
    ['threads', engine.threads === null ? 'unknown' : String(engine.threads)],
    ['memory', `${gibibytes(memory.total_bytes)}, ${gibibytes(memory.free_bytes)} free${limit}`],
    ['gpu', gpuTexts.join('\n') || 'none'],
    ['libraries', libraryTexts.join('\n')],
    ['package', folders.package],
    ['cache', folders.cache],
    ...(model ? modelRows(model) : []),
  ];
  const indent = ' '.repeat(18);
  return rows.map(([name, text]) => name.padEnd(18) + text.replaceAll('\n', `\n${indent}`)).join('\n');
}

export const info = defineCommand({
  description: 'Also works without the native engine, and then says why it could not be loaded.',
  options: {
    ...inGroup('Model', {
      model: path('model folder: also says which tokens begin, end and pad its texts, and by which file'),
    }),
    device: engineOptions.device,
    threads: engineOptions.threads,
  },
  example: 'info --json',
  run: ({ device, threads, model }) => collect(device, threads, model),
  render,
});
