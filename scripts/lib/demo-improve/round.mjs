// One round of the demonstration: a server, people who vote, `improve`, and the same question to
// the server before and after.
import { mkdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { answers, reload, vote } from './users.mjs';

/**
 * @param athanor the library
 * @param options
 *   folder: of the round; assistant: folder of the first model;
 *   asks: prompts that people ask; unseen: prompts for the measurement;
 *   prefers: whether an answer is of the kind that people prefer;
 *   isRight: whether an answer to a prompt is right, where that is known;
 *   people, each: number of people, and votes of each; mistaken: share of their wrong votes;
 *   flood: wrong votes of one more sender; improve, serve: settings; maxTokens, seed
 */
export async function demoRound(athanor, options) {
  const { folder, assistant, asks, unseen, people, each, mistaken, flood = 0, seed } = options;
  const { prefers, isRight = () => true } = options;
  const out = join(folder, 'improve');
  mkdirSync(out, { recursive: true });
  const [link, feedback] = [join(out, 'current'), join(folder, 'feedback.db')];
  symlinkSync(resolve(assistant), link);
  const adminKeyFile = join(folder, 'admin-keys');
  const adminKey = athanor.addKey(adminKeyFile, 'demo');
  const server = await athanor.serve({ model: link, feedback, adminKeyFile, port: 0, ...options.serve });
  try {
    const { url } = server;
    const measure = async () => {
      const texts = await answers(url, unseen, { ...options, seed: seed + 500 });
      return {
        preferred: texts.map((text) => Number(prefers(text))),
        right: share(texts.map((text, i) => Number(isRight(unseen[i], text)))),
      };
    };
    const before = await measure();
    const own = (user, count, from) =>
      Array.from({ length: count }, (_, i) => ({ user, prompt: asks[(from + i) % asks.length] }));
    const votes = Array.from({ length: people }, (_, i) => own(`person ${i}`, each, i * each)).flat();
    await vote(url, votes, { ...options, mistaken });
    if (flood > 0) {
      const wrong = own('flood', flood, people * each);
      await vote(url, wrong, { ...options, mistaken: 1, seed: seed + 300 });
    }
    const report = await athanor.improve({ model: link, feedback, out, seed, ...options.improve });
    const served = await reload(url, adminKey);
    const after = await measure();
    const change = athanor.pairedBootstrap(after.preferred, before.preferred, { seed });
    return {
      ...{ before: share(before.preferred), after: share(after.preferred), change },
      ...{ rightBefore: before.right, rightAfter: after.right, report, servedHash: served.hash },
    };
  } finally {
    await server.close();
  }
}

function share(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
