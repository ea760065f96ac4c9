/**
 * Every code of an error, what it means and what usually helps. native/core/error.h has the part of them that the engine
 * throws. docs/reference/errors.md is written from this table by `node scripts/make-errors-page.mjs`.
 */
export const errorTable = {
  ERR_ARGUMENT: {
    meaning: 'A function, a setting or a line of a data file was given a value that it does not accept.',
    remedy: 'The message names the value and what is accepted: correct it.',
  },
  ERR_CONFIG: {
    meaning:
      'The description of a model, a chat template or a file given with `config` holds values that do not fit ' +
      'together or that are not known.',
    remedy:
      'Correct the values that the message names. `athanor help` COMMAND lists the keys of a config file.',
  },
  ERR_CUDA_LIBRARY_MISSING: {
    meaning:
      'A library of NVIDIA that is opened at run time, such as cuBLASLt, was not found, is too old, or could not be ' +
      'opened.',
    remedy:
      'Install it with the line in the message, or name its file in the environment variable that the message gives. ' +
      '`athanor info` lists the libraries that are found.',
  },
  ERR_CUDA_UNAVAILABLE: {
    meaning:
      'A GPU was asked for and there is none that can be used: no driver, a driver that is too old, or an engine that ' +
      'was built without CUDA kernels.',
    remedy:
      'Leave `device` out to run on the CPU, or do what the message says about the driver or the build.',
  },
  ERR_DEVICE: {
    meaning: 'An operation was given tensors on the CPU and tensors on the GPU.',
    remedy: 'Call setDevice before the model and its inputs are made, and use one device for both.',
  },
  ERR_DISK_FULL: {
    meaning:
      'The disk, or the quota on it, is full. The file that was being written is removed; others are intact.',
    remedy: 'Free some space and continue with `resume`. `keepCheckpoints` lowers what a run keeps.',
  },
  ERR_DTYPE: {
    meaning: 'A tensor has a dtype that the operation does not take, or a name is not that of a dtype.',
    remedy: 'Convert the tensor with cast, or use a dtype that the message lists: f32, bf16, i32 or u8.',
  },
  ERR_FILE_DAMAGED: {
    meaning:
      'A file is not what was written: it is too short, its checksum differs, or its parts contradict each other.',
    remedy: 'Copy or make the file again. A run continues from an earlier checkpoint in the same folder.',
  },
  ERR_FILE_MISSING: {
    meaning: 'A file or folder does not exist, or a folder does not hold the file that is looked for in it.',
    remedy: 'Check the path; the message has it in full.',
  },
  ERR_FORMAT: {
    meaning:
      'A file is readable but is not of the expected format, or uses a feature of the format that is not supported. ' +
      'Pickled weights are refused with this code.',
    remedy: 'The message says what was expected: convert the file, or name another one.',
  },
  ERR_INTERNAL: {
    meaning: 'A check inside athanor failed, or CUDA reported a fault. This is a defect, not a wrong use.',
    remedy: 'Run again with --debug and report the output together with that of `athanor info`.',
  },
  ERR_INTERRUPTED: {
    meaning: 'Ctrl-C, SIGTERM or an abort signal ended the work before it was done. The exit code is 130.',
    remedy: 'Start it again; a training run continues with `resume`.',
  },
  ERR_IO: {
    meaning:
      'The operating system refused to read or write a file for another reason than those above, such as missing ' +
      'permission, or a package could not be fetched from the npm registry.',
    remedy:
      'The message has the reason of the system: change the permission, or check the disk or the connection.',
  },
  ERR_MISMATCH: {
    meaning:
      'Two things that belong together do not fit: weights and model, tokenizer and shards, a checkpoint and the ' +
      'command that resumes it, or lengths and the context of the model.',
    remedy: 'Use the parts of one run together, or change the setting that the message names.',
  },
  ERR_NATIVE_LOAD: {
    meaning: 'The native engine is not built, is not installed, or cannot be loaded on this machine.',
    remedy:
      'The message lists every place that was tried with its reason. Install the prebuilt package for the platform, ' +
      'or build the engine with `npx athanor build`.',
  },
  ERR_NOT_FINITE: {
    meaning:
      'NaN or infinity where a finite number is needed: in a loss, in a gradient, in logits or in advantages.',
    remedy:
      'Resume from the last checkpoint with a lower `lr`, or use `onSpike` skip to leave such steps out.',
  },
  ERR_OPTION: {
    meaning:
      'The command line is wrong: an unknown command or option, a missing value, or options that exclude each other.',
    remedy: 'Follow the message, or see `athanor help` COMMAND.',
  },
  ERR_OUT_OF_MEMORY: {
    meaning: 'The machine, the GPU, or the limit set for the engine has no memory left for a tensor.',
    remedy:
      'Lower `batchSize` or `context` and raise `gradAccum`, use `gradientCheckpointing`, or use a smaller model.',
  },
  ERR_SHAPE: {
    meaning: 'Tensors have shapes that the operation cannot use together.',
    remedy: 'Compare the shapes in the message with those in the documentation of the operation.',
  },
  ERR_STATE: {
    meaning:
      'An object was used at a time when it cannot be: a tensor after it was freed, a file after it was closed, a ' +
      'backward pass over what was not recorded, or a second call while the first is running.',
    remedy:
      'Change the order of the calls as the message says, or keep the tensor out of the scope that frees it.',
  },
} as const satisfies Record<`ERR_${string}`, { readonly meaning: string; readonly remedy: string }>;

export type ErrorCode = keyof typeof errorTable;

/** Every failure that Athanor reports: one sentence of what and where, a code, and what to do about it. */
export class AthanorError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string | undefined;

  constructor(code: ErrorCode, message: string, remedy?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AthanorError';
    this.code = code;
    this.remedy = remedy;
  }
}

/** Turns a Node file-system error into an AthanorError that names the file and the remedy. */
export function fileError(error: unknown, path: string, action = 'read'): AthanorError {
  if (error instanceof AthanorError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  const cause = { cause: error };
  switch (code) {
    case 'ENOENT':
      return new AthanorError('ERR_FILE_MISSING', `${path} does not exist`, 'check the path', cause);
    case 'EISDIR':
      return new AthanorError('ERR_ARGUMENT', `${path} is a folder, not a file`, 'name a file', cause);
    case 'EACCES':
    case 'EPERM':
      return new AthanorError(
        'ERR_IO',
        `no permission to ${action} ${path}`,
        'change its mode or owner',
        cause,
      );
    case 'ENOSPC':
    case 'EDQUOT':
      return new AthanorError(
        'ERR_DISK_FULL',
        `the disk is full: cannot ${action} ${path}`,
        'free some space and run again; earlier files are intact, and training continues with `resume`',
        cause,
      );
    default:
      return new AthanorError(
        'ERR_IO',
        `cannot ${action} ${path}: ${(error as Error).message}`,
        undefined,
        cause,
      );
  }
}
