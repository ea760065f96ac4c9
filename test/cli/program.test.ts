import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { AthanorError } from '../../src/base/errors.ts';
import { packageRoot } from '../../src/base/package-root.ts';
import { exitCodeOf, formatError } from '../../src/cli/run-command.ts';
import { athanor, cliPath, lastLineJson, runNode, temporaryFolder } from '../helpers/cli.ts';

const noEngine = { ATHANOR_NATIVE: '/nonexistent/athanor.node' };

describe('athanor', () => {
  it.each([[[]], [['--help']], [['-h']], [['help']]])(
    '%j lists the commands, without the engine',
    async (args) => {
      const { code, stdout, stderr } = await runNode([cliPath, ...args], { env: noEngine });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/^ {2}info {2,}show CPU features/m);
    },
  );

  it('prints its version', async () => {
    expect(await athanor('--version')).toEqual({ code: 0, signal: null, stdout: '0.1.0\n', stderr: '' });
  });

  it.each([[['help', 'info']], [['info', '--help']]])(
    '%j shows the options and one example',
    async (args) => {
      const { code, stdout } = await athanor(...args);
      expect(code).toBe(0);
      expect(stdout).toMatch(/--threads <n>/);
      expect(stdout).toMatch(/--json/);
      expect(stdout.match(/^Example:\n {2}\$ athanor info --json$/gm)).toHaveLength(1);
    },
  );
});

describe('wrong usage exits with 2 and says what was meant', () => {
  it.each([
    [['data'], '"athanor data" needs a command after it', 'see athanor data --help for the list'],
    [['inof'], 'there is no command "inof" [ERR_OPTION]', 'did you mean "info"?'],
    [['zzzzzz'], 'there is no command "zzzzzz" [ERR_OPTION]', 'the commands are: quickstart, '],
    [['help', 'inof'], 'there is no command "inof" [ERR_OPTION]', 'did you mean "info"?'],
    [['--verison'], 'unknown option --verison [ERR_OPTION]', 'did you mean --version?'],
    [['info', '--jsn'], 'unknown option --jsn [ERR_OPTION]', 'did you mean --json?'],
    [['info', '--thread=2'], 'unknown option --thread=2 [ERR_OPTION]', 'did you mean --threads?'],
    [['info', '--zzzzzz'], 'unknown option --zzzzzz [ERR_OPTION]', 'see athanor info --help'],
    [
      ['launch', '-n', '2', 'data', 'prepare', 'corpus.txt', '--out', 'data'],
      'unknown option --out [ERR_OPTION]',
      'after --: athanor launch -n 2 -- data prepare corpus.txt --out data',
    ],
    [['launch', '-n', '2', '--elastc', '--', 'sft'], 'unknown option --elastc', 'did you mean --elastic?'],
    [['info', 'x'], /too many arguments .* \[ERR_OPTION\]/, 'see athanor info --help'],
    [['info', '--threads'], '--threads <n> needs a value [ERR_OPTION]', 'see athanor info --help'],
    [['info', '--threads', 'two'], '--threads expects a whole number between 1 and 1024 but got "two"', ''],
    [['info', '--threads', '-1'], '--threads expects a whole number between 1 and 1024 but got "-1"', ''],
    [['info', '--device', 'gpu'], '--device expects one of auto, cpu, cuda but got "gpu"', ''],
  ] as [string[], string | RegExp, string][])('%j', async (args, message, remedy) => {
    const { code, stdout, stderr } = await athanor(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).toContain(remedy);
    expect(stderr).toMatch(/^error: /);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('with the stack when --debug asks for it', async () => {
    const { code, stderr } = await athanor('info', '--threads', 'two', '--debug');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^ {4}at .*cli/m);
  });
});

describe('--config', () => {
  async function info(yaml: string, ...args: string[]) {
    const file = join(temporaryFolder(), 'run.yaml');
    writeFileSync(file, yaml);
    return athanor('info', '--config', file, ...args);
  }
  const threads = (stdout: string) => (lastLineJson(stdout).engine as { threads: number }).threads;

  it('sets options, and flags win over it', async () => {
    expect(threads((await info('threads: 3\n', '--json')).stdout)).toBe(3);
    expect(threads((await info('threads: 3\n', '--threads', '2', '--json')).stdout)).toBe(2);
  });

  it.each([
    [
      'device: cpu\nthread: 3\n',
      /run\.yaml line 2: unknown option "thread" \[ERR_CONFIG\]/,
      'did you mean "threads"?',
    ],
    ['threads: many\n', /run\.yaml line 1: "threads" expects a whole number .* got "many"/, ''],
    ['threads: [1]\n', /run\.yaml line 1: "threads" expects a whole number .* got a list/, ''],
  ])('%j is refused', async (yaml, message, remedy) => {
    const { code, stderr } = await info(yaml);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr).toContain(remedy);
  });

  it('that does not exist is an error', async () => {
    const { code, stderr } = await athanor('info', '--config', '/nonexistent/run.yaml');
    expect(code).toBe(1);
    expect(stderr).toBe('error: /nonexistent/run.yaml does not exist [ERR_FILE_MISSING]\n  check the path\n');
  });
});

describe('athanor info', () => {
  it('prints one JSON object as the last line', async () => {
    const { code, stdout, stderr } = await athanor('info', '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const result = lastLineJson(stdout);
    expect(result.versions).toEqual({ athanor: '0.1.0', node: process.versions.node });
    expect(result.device).toBe('cpu');
    const engine = result.engine as { isas_built: string[]; isas_supported: string[]; isa_active: string };
    expect(engine.isas_built).toEqual(expect.arrayContaining(engine.isas_supported));
    expect(engine.isas_supported).toContain(engine.isa_active);
    expect(result.memory).toMatchObject({ total_bytes: expect.any(Number), free_bytes: expect.any(Number) });
    for (const name of JSON.stringify(result.memory).matchAll(/"(\w+)":/g))
      expect(name[1]).toMatch(/^[a-z_]+$/);
  });

  it('prints a table for people', async () => {
    const { code, stdout } = await athanor('info', '--threads', '1');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^athanor {2,}0\.1\.0$/m);
    expect(stdout).toMatch(/^threads {2,}1$/m);
  });

  it('works without the engine and says why there is none', async () => {
    const { code, stdout } = await runNode([cliPath, 'info'], { env: noEngine });
    expect(code).toBe(0);
    expect(stdout).toMatch(/\/nonexistent\/athanor\.node does not exist/);
    expect(stdout).toMatch(/npx athanor build/);
  });

  it('says that there is no CUDA', async () => {
    const { code, stdout, stderr } = await athanor('info', '--device', 'cuda');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^error: --device cuda: .*\[ERR_CUDA_UNAVAILABLE\]\n {2}leave --device out/);
  });

  it('reports a forced instruction set that does not exist', async () => {
    const { code, stderr } = await runNode([cliPath, 'info'], { env: { ATHANOR_ISA: 'avx9' } });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: \[activeIsa\] expected ATHANOR_ISA .* got avx9 \[ERR_ARGUMENT\]$/m);
  });
});

describe('what goes wrong outside of a command', () => {
  const runner = pathToFileURL(join(packageRoot, 'dist/cli/run-command.js')).href;
  const script = (body: string) => [
    '--input-type=module',
    '-e',
    `import { guardProcess } from '${runner}';\nguardProcess([]);\n${body}`,
  ];

  it.each([
    ['rejections', "Promise.reject(new Error('boom')); setTimeout(() => {}, 5000);"],
    ['exceptions', "setTimeout(() => { throw new Error('boom'); });"],
  ])('unhandled %s are reported without a stack', async (_, body) => {
    const { code, stderr } = await runNode(script(body));
    expect(code).toBe(1);
    expect(stderr).toBe(
      'error: boom [ERR_INTERNAL]\n  this is a defect in athanor: run again with --debug for the stack trace\n',
    );
  });

  it('a reader that leaves is no error, and what was begun is finished', async () => {
    const { code, stderr } = await new Promise<{ code: number | null; stderr: string }>((resolve) => {
      const body =
        "setInterval(() => process.stdout.write('x'.repeat(1e5)), 1); setTimeout(() => process.exit(7), 300);";
      const child = spawn(process.execPath, script(body), { stdio: ['ignore', 'pipe', 'pipe'] });
      let text = '';
      child.stdout.once('data', () => child.stdout.destroy());
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      child.on('close', (status) => resolve({ code: status, stderr: text }));
    });
    expect({ code, stderr }).toEqual({ code: 7, stderr: '' });
  });
});

describe('errors in words', () => {
  const cause = new Error('the cause');
  const known = new AthanorError('ERR_DISK_FULL', 'the disk is full', 'free some space', { cause });

  it('are a sentence, a code and a remedy', () => {
    expect(formatError(known, false)).toBe('error: the disk is full [ERR_DISK_FULL]\n  free some space\n');
  });

  it('carry the stacks of all causes with --debug', () => {
    expect(formatError(known, true)).toMatch(
      /AthanorError: the disk is full\n {4}at [\s\S]*Error: the cause\n {4}at /,
    );
  });

  it.each([
    [new Error(''), 'error: unknown failure [ERR_INTERNAL]'],
    ['text', 'error: text [ERR_INTERNAL]'],
    [undefined, 'error: undefined [ERR_INTERNAL]'],
  ])('exist for whatever is thrown (%j)', (thrown, line) => {
    expect(formatError(thrown, false).split('\n')[0]).toBe(line);
  });

  it('name an engine that was built before the JavaScript, and the remedy', () => {
    const native: Record<string, () => void> = {};
    let thrown: unknown;
    try {
      native.lockFile!();
    } catch (error) {
      thrown = error;
    }
    expect(formatError(thrown, false)).toMatch(
      /^error: the native engine is not of this version .*lockFile.*\[ERR_NATIVE_LOAD\]\n {2}build it again/,
    );
  });

  it('decide the exit code', () => {
    expect(exitCodeOf(known)).toBe(1);
    expect(exitCodeOf(new AthanorError('ERR_OPTION', ''))).toBe(2);
    expect(exitCodeOf(new AthanorError('ERR_CONFIG', ''))).toBe(2);
    expect(exitCodeOf(new AthanorError('ERR_INTERRUPTED', ''))).toBe(130);
    expect(exitCodeOf(null)).toBe(1);
  });
});
