/** The command table. A command's file is imported only when that command runs, and the engine only inside `run`. */
import type { CommandModule } from './command.ts';

export interface CommandEntry {
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}
export interface CommandGroup {
  readonly summary: string;
  readonly commands: Readonly<Record<string, CommandEntry>>;
}

export type CommandTable = Readonly<Record<string, CommandEntry | CommandGroup>>;

export const commands: CommandTable = {
  pretrain: {
    summary: 'train a base model on text',
    load: async () => (await import('./pretrain.ts')).pretrain,
  },
  info: {
    summary: 'show CPU features, GPUs, libraries and versions',
    load: async () => (await import('./info.ts')).info,
  },
  build: {
    summary: 'build the native engine on this machine',
    load: async () => (await import('./build.ts')).build,
  },
  tokenizer: {
    summary: 'learn a vocabulary, turn text into ids and back',
    commands: {
      train: {
        summary: 'learn a byte-level BPE vocabulary from text files',
        load: async () => (await import('./tokenizer.ts')).train,
      },
      encode: {
        summary: 'print the ids of a text',
        load: async () => (await import('./tokenizer.ts')).encode,
      },
      decode: {
        summary: 'print the text of ids',
        load: async () => (await import('./tokenizer.ts')).decode,
      },
    },
  },
};
