import { accessSync, constants, existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * All error codes: what each means and what usually helps. native/core/error.h lists those
 * that the engine throws. `node scripts/make-errors-page.mjs` writes docs/reference/errors.md
 * from this table.
 */
export const errorTable = {
  ERR_ARGUMENT: {
    meaning: 'A function, a setting or a line of a data file was given a value that it does not accept.',
    remedy: 'Correct the value. The message names it and what is accepted.',
  },
  ERR_COMM_LOST: {
    meaning: 'The connection to another rank of the run broke, most often because that rank ended.',
    remedy: 'Look at the last lines of the rank in the message, and continue the run with `resume`.',
  },
  ERR_COMM_SETUP: {
    meaning:
      'This process cannot join the other ranks of its run: variables of the launcher are missing or ' +
      'contradict each other, a port is in use, or MPI or NCCL cannot be used.',
    remedy: 'Follow the message, which names the variable or the library and the remedy.',
  },
  ERR_COMM_TIMEOUT: {
    meaning:
      'An operation of all ranks was not over within the time limit, because a rank did not arrive. The ' +
      'message names the operation and the rank.',
    remedy:
      'Look at the last lines of that rank: it may hang, or it may need more time, which ' +
      'ATHANOR_COMM_TIMEOUT gives in seconds. Continue the run with `resume`.',
  },
  ERR_CONFIG: {
    meaning:
      'A model configuration, a chat template, a safety policy or a file given with `config` has values ' +
      'that are unknown or that contradict each other.',
    remedy:
      'Correct the values that the message names. `athanor help` COMMAND lists the keys of a config file.',
  },
  ERR_CUDA_LIBRARY_MISSING: {
    meaning:
      'An NVIDIA library that is opened at run time, such as cuBLASLt, was not found, is too old or could ' +
      'not be opened.',
    remedy:
      'Install it with the command in the message, or set the environment variable in the message to the ' +
      'path of the library. `athanor info` lists the libraries that were found.',
  },
  ERR_CUDA_UNAVAILABLE: {
    meaning:
      'A GPU was requested, but none can be used: there is no driver, the driver is too old, or the ' +
      'engine was built without CUDA kernels.',
    remedy: 'Leave `device` out to run on the CPU, or follow the message about the driver or the build.',
  },
  ERR_DEVICE: {
    meaning: 'An operation was given tensors on the CPU and tensors on the GPU.',
    remedy: 'Call setDevice before you make the model and its inputs, and use one device for both.',
  },
  ERR_DISK_FULL: {
    meaning:
      'The disk is full, or the quota on it is used up. The file that was being written is removed; all ' +
      'others are intact.',
    remedy: 'Free some space and continue with `resume`. A lower `keepCheckpoints` needs less space.',
  },
  ERR_DTYPE: {
    meaning: 'A tensor has a dtype that the operation does not accept, or a word is not the name of a dtype.',
    remedy: 'Convert the tensor with cast, or use a dtype that the message lists: f32, bf16, i32 or u8.',
  },
  ERR_FILE_DAMAGED: {
    meaning:
      'The contents of a file are not those that were written: the file is too short, its checksum ' +
      'differs, or its parts contradict each other. Weights, shards, checkpoints and run.json are ' +
      'checked so.',
    remedy: 'Copy the file or make it again. A run continues from an earlier checkpoint in the same folder.',
  },
  ERR_FILE_MISSING: {
    meaning: 'A file or folder does not exist, or a folder lacks a file that it should contain.',
    remedy: 'Check the path, which the message gives in full.',
  },
  ERR_FORMAT: {
    meaning:
      'A file can be read, but it does not have the expected format, is larger than any of its kind, or ' +
      'it uses a feature of the format that is not supported. So are a config.json, a tokenizer.json ' +
      'and rows that are not JSON. Pickled weights are refused with this code.',
    remedy: 'Convert the file to the format that the message names, or choose another file.',
  },
  ERR_INTERNAL: {
    meaning:
      'A check inside athanor failed, or CUDA reported a fault. This is a defect of athanor, not a ' +
      'mistake of its user.',
    remedy: 'Run again with --debug and report the output together with that of `athanor info`.',
  },
  ERR_INTERRUPTED: {
    meaning:
      'Ctrl-C, SIGTERM, SIGHUP or an abort signal ended the work before it was done. The exit code is 130.',
    remedy: 'Start it again. A training run continues with `resume`.',
  },
  ERR_IO: {
    meaning:
      'The operating system refused to read or write a file, for example for lack of permission, or a ' +
      'package could not be fetched from the npm registry.',
    remedy:
      'The message has the reason that the system gave: change the permission, or check the disk or the ' +
      'connection.',
  },
  ERR_MISMATCH: {
    meaning:
      'Two things that belong together do not fit: weights and model, tokenizer and shards, a checkpoint ' +
      'and the command that resumes it, or a length and the context of the model.',
    remedy: 'Use parts of the same run, or change the setting that the message names.',
  },
  ERR_NATIVE_LOAD: {
    meaning:
      'The native engine is not built, is not installed, or cannot be loaded on this machine. SQLite, ' +
      'which a feedback store needs, has no binary for this platform or its package is incomplete.',
    remedy:
      'For the engine, the message lists every place that was tried and why it failed. Install the ' +
      'prebuilt package for the platform, or build the engine with `npx athanor build`. For SQLite, ' +
      'install the package in the message again.',
  },
  ERR_NOT_FINITE: {
    meaning:
      'A number is NaN or infinite where a finite one is needed: in a loss, a gradient, logits, ' +
      'advantages or the weights of a model.',
    remedy:
      'Resume from the last checkpoint with a lower `lr`, or set `onSpike` to skip to leave such steps out.',
  },
  ERR_OPTION: {
    meaning:
      'The command line is wrong: an unknown command or option, a missing value, or options that exclude ' +
      'each other.',
    remedy: 'Follow the message, or see `athanor help` COMMAND.',
  },
  ERR_OUT_OF_MEMORY: {
    meaning:
      'No memory is left for a tensor: on the machine, on the GPU, or within the limit that was set for ' +
      'the engine.',
    remedy:
      'Lower `batchSize` or `context` and raise `gradAccum`, use `gradientCheckpointing`, or use a ' +
      'smaller model. A program of your own frees its tensors with `scope()` and `dispose()`.',
  },
  ERR_RANK_FAILED: {
    meaning: 'Another rank of the run failed at work that all ranks do, and so this one cannot go on.',
    remedy: "See that rank's error, which is in its log, and continue the run with `resume`.",
  },
  ERR_SHAPE: {
    meaning: 'Tensors have shapes that the operation cannot use together.',
    remedy: 'Compare the shapes in the message with those in the documentation of the operation.',
  },
  ERR_STATE: {
    meaning:
      'An object cannot be used at this time: a tensor was freed, a file was closed, a backward pass ' +
      'meets operations that were not recorded, a second call started while the first was running, or ' +
      'another process writes to the same folder.',
    remedy:
      'Change the order of the calls as the message says, call keep() on a tensor that a scope would ' +
      'free, or wait for the process that the message names.',
  },
} as const satisfies Record<`ERR_${string}`, { readonly meaning: string; readonly remedy: string }>;

/** The code of an AthanorError. docs/reference/errors.md explains each. */
export type ErrorCode = keyof typeof errorTable;

/** The longest message. A value of a file that is quoted in one may have any length. */
const longestMessage = 4000;

/** A text of at most `longestMessage` characters: the middle of a longer one is left out. */
function shortened(message: string): string {
  if (message.length <= longestMessage) return message;
  const half = longestMessage / 2 - 50;
  const left = message.length - 2 * half;
  return `${message.slice(0, half)} [${left} characters are left out here] ${message.slice(-half)}`;
}

/**
 * Every error that Athanor reports. `message` says in one sentence what is wrong and where. `code`
 * names the kind of error. `remedy`, where there is one, says what to do.
 */
export class AthanorError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string | undefined;

  constructor(code: ErrorCode, message: string, remedy?: string, options?: ErrorOptions) {
    super(shortened(message), options);
    this.name = 'AthanorError';
    this.code = code;
    this.remedy = remedy;
  }
}

/** Whether an error is one of the operating system, as Node reports them. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  return error instanceof Error && typeof code === 'string' && typeof syscall === 'string';
}

/**
 * Turns a file-system error of Node into an AthanorError that names the file and the remedy. An
 * error of another kind becomes ERR_INTERNAL.
 * @param action what was to be done with the file, such as `write`
 */
export function fileError(error: unknown, path: string, action = 'read'): AthanorError {
  if (error instanceof AthanorError) return error;
  const cause = { cause: error };
  const make = (code: ErrorCode, problem: string, remedy?: string) =>
    new AthanorError(code, problem, remedy, cause);
  const cannot = `cannot ${action} ${path}`;
  if (!isSystemError(error)) {
    if ((error as NodeJS.ErrnoException)?.code === 'ERR_INVALID_ARG_VALUE')
      return make('ERR_ARGUMENT', `${JSON.stringify(path)} is not a path`, 'name a file or folder');
    return make('ERR_INTERNAL', `${cannot}: ${error instanceof Error ? error.message : String(error)}`);
  }
  switch (causeOf(error, path, action)) {
    case 'ENOENT': {
      const folder = dirname(path);
      if (action === 'read' || existsSync(folder)) {
        return make('ERR_FILE_MISSING', `${path} does not exist`, 'check the path');
      }
      const problem = `${cannot}: the folder ${folder} does not exist`;
      return make('ERR_FILE_MISSING', problem, 'make the folder, or correct the path');
    }
    case 'EISDIR':
      return make('ERR_ARGUMENT', `${path} is a folder, not a file`, 'name a file');
    case 'ENOTDIR':
      return make('ERR_ARGUMENT', `${cannot}: there is a file where a folder must be`, 'name a folder');
    case 'ENAMETOOLONG':
      return make('ERR_ARGUMENT', `${cannot}: the name is too long`, 'name a shorter path');
    case 'ELOOP':
      return make('ERR_ARGUMENT', `${cannot}: symbolic links lead in a circle`, 'correct the links');
    case 'EACCES':
    case 'EPERM':
      return make('ERR_IO', `no permission to ${action} ${path}`, 'change its mode or owner');
    case 'EROFS':
      return make('ERR_IO', `${cannot}: the file system is read-only`, 'name a folder elsewhere');
    case 'EMFILE':
      return make(
        'ERR_IO',
        `${cannot}: this process has as many open files as its limit allows`,
        'raise the limit: ulimit -n 4096',
      );
    case 'ENFILE':
      return make('ERR_IO', `${cannot}: the machine has no room for more open files`, 'close other programs');
    case 'ENOSPC':
    case 'EDQUOT':
      return make('ERR_DISK_FULL', `the disk is full: ${cannot}`, 'free some space and run again');
    case 'EFBIG':
      return make(
        'ERR_IO',
        `${cannot}: it would be larger than a file may be`,
        'raise the limit (ulimit -f), or use another file system',
      );
    case 'EIO':
      return make('ERR_IO', `${cannot}: the device reports a fault`, 'check the disk and its connection');
    default:
      return make('ERR_IO', `${cannot}: ${error.message}`);
  }
}

/**
 * The code of a system error. Node's mkdir says ENOENT on a file system that is read-only, so the
 * nearest folder that exists is asked.
 */
function causeOf({ code, syscall }: NodeJS.ErrnoException, path: string, action: string): string | undefined {
  // To make a folder where a file is fails so; where a folder is, nothing has to be made.
  if (code === 'EEXIST' && syscall === 'mkdir') return 'ENOTDIR';
  if (code !== 'ENOENT' || (syscall !== 'mkdir' && action === 'read')) return code;
  let folder = resolve(path);
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  try {
    accessSync(folder, constants.W_OK);
    return code;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}
