/**
 * The command table. A command's file is imported only when that command runs, and the engine only
 * inside its `run`.
 */
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
  quickstart: {
    summary: 'run the whole pipeline on packaged data, in about five minutes',
    load: async () => (await import('./quickstart.ts')).quickstart,
  },
  pretrain: {
    summary: 'train a base model on text',
    load: async () => (await import('./pretrain.ts')).pretrain,
  },
  sft: {
    summary: 'fine-tune a base model on instructions',
    load: async () => (await import('./sft.ts')).sft,
  },
  reward: {
    summary: 'train a reward model on comparisons of answers',
    load: async () => (await import('./reward.ts')).reward,
  },
  ppo: {
    summary: 'train an assistant on rewards, with PPO',
    load: async () => (await import('./ppo.ts')).ppo,
  },
  grpo: {
    summary: 'train an assistant on rewards, with GRPO',
    load: async () => (await import('./grpo.ts')).grpo,
  },
  dpo: {
    summary: 'train an assistant on comparisons, with DPO',
    load: async () => (await import('./dpo.ts')).dpo,
  },
  kto: {
    summary: 'train an assistant on rated answers, with KTO',
    load: async () => (await import('./kto.ts')).kto,
  },
  launch: {
    summary: 'run a training command as several ranks on this machine',
    load: async () => (await import('./launch.ts')).launch,
  },
  generate: {
    summary: 'continue texts with a model',
    load: async () => (await import('./generate.ts')).generate,
  },
  chat: {
    summary: 'talk to an assistant',
    load: async () => (await import('./chat.ts')).chat,
  },
  serve: {
    summary: 'serve a model over HTTP, with the API of OpenAI',
    load: async () => (await import('./serve.ts')).serve,
  },
  feedback: {
    summary: 'look after the answers and feedback that a server collected',
    commands: {
      stats: {
        summary: 'count the records of a store, and check the file',
        load: async () => (await import('./feedback.ts')).stats,
      },
      list: {
        summary: 'show the last records of a store',
        load: async () => (await import('./feedback.ts')).list,
      },
      export: {
        summary: 'write all records of a store as JSON Lines',
        load: async () => (await import('./feedback.ts')).exportStore,
      },
      import: {
        summary: 'add the records of an export to a store',
        load: async () => (await import('./feedback.ts')).importStore,
      },
      delete: {
        summary: 'delete a user, or what is old',
        load: async () => (await import('./feedback.ts')).remove,
      },
      rows: {
        summary: 'clean feedback and write it as training rows',
        load: async () => (await import('./feedback-rows.ts')).feedbackRows,
      },
    },
  },
  improve: {
    summary: 'train the served model on feedback, compare the two, promote or roll back',
    load: async () => (await import('./improve.ts')).improve,
  },
  safety: {
    summary: 'train a classifier of texts, and check texts with a safety policy',
    commands: {
      train: {
        summary: 'train a classifier on labelled texts or dialogues',
        load: async () => (await import('./safety-train.ts')).train,
      },
      check: {
        summary: 'check a text with a safety policy',
        load: async () => (await import('./safety-check.ts')).check,
      },
    },
  },
  eval: {
    summary: 'measure a model: perplexity, right answers, preferences or win rate',
    load: async () => (await import('./eval.ts')).evaluate,
  },
  convert: {
    summary: 'write a model anew: an adapter merged with its base, or another type of weights',
    load: async () => (await import('./convert.ts')).convert,
  },
  logits: {
    summary: 'print the log-probability of each token of a text',
    load: async () => (await import('./logits.ts')).logits,
  },
  export: {
    summary: 'write a model as a GGUF file, for llama.cpp',
    load: async () => (await import('./export.ts')).exportModel,
  },
  report: {
    summary: 'write the report of a run again from its log',
    load: async () => (await import('./report.ts')).report,
  },
  compare: {
    summary: 'lay several runs over each other in one page',
    load: async () => (await import('./report.ts')).compare,
  },
  bench: {
    summary: 'measure speed, also relative to the peak of this machine',
    commands: {
      kernels: {
        summary: 'time single kernels',
        load: async () => (await import('./bench.ts')).kernels,
      },
      train: {
        summary: 'time whole training steps',
        load: async () => (await import('./bench.ts')).train,
      },
      generate: {
        summary: 'time sampling with the KV cache',
        load: async () => (await import('./bench.ts')).generate,
      },
      serve: {
        summary: 'time a server under many streams next to the engine alone',
        load: async () => (await import('./bench-serve.ts')).serve,
      },
      data: {
        summary: 'time the steps of preparing a corpus',
        load: async () => (await import('./bench-data.ts')).data,
      },
      comm: {
        summary: 'time the exchange between processes next to MPI itself',
        load: async () => (await import('./bench-comm.ts')).comm,
      },
      scaling: {
        summary: 'time training steps on several ranks next to one process',
        load: async () => (await import('./bench-scaling.ts')).scaling,
      },
      sft: {
        summary: 'time fine-tuning next to pretraining',
        load: async () => (await import('./bench-stages.ts')).sft,
      },
      ppo: {
        summary: 'time rollouts and updates of PPO',
        load: async () => (await import('./bench-stages.ts')).ppo,
      },
    },
  },
  data: {
    summary: 'turn text into token shards, and inspect them',
    commands: {
      prepare: {
        summary: 'filter, tokenize and shard a corpus',
        load: async () => (await import('./data.ts')).prepare,
      },
      classify: {
        summary: 'score documents with a classifier',
        load: async () => (await import('./data-classify.ts')).classify,
      },
      inspect: {
        summary: 'check a folder of token shards and show documents',
        load: async () => (await import('./data.ts')).inspect,
      },
    },
  },
  tokenizer: {
    summary: 'learn a vocabulary, and turn text into ids and back',
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
  info: {
    summary: 'show CPU features, GPUs, libraries and versions',
    load: async () => (await import('./info.ts')).info,
  },
  build: {
    summary: 'build the native engine on this machine',
    load: async () => (await import('./build.ts')).build,
  },
};
