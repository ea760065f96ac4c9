// An engine thread that says what the prompt tells it to: a list of pieces as JSON in base64, one
// piece per step. Ids are the characters of the prompt.
import { parentPort, workerData } from 'node:worker_threads';

const jobs = new Map();
let steps = 0;

const model = {
  ...{ vocabSize: 0x110000, contextLength: 100_000, device: 'cpu', dtype: 'f32', threads: 1 },
  toolUse: 'hermes',
  hash: '0123456789abcdef'.repeat(4),
};
const textOf = (prompt) => (prompt.kind === 'chat' ? prompt.messages.at(-1).content : prompt.text);
const encode = (prompt) =>
  Int32Array.from(
    prompt.kind === 'tokens' ? prompt.tokens : Array.from(textOf(prompt), (c) => c.codePointAt(0)),
  );
const decode = (tokens) => String.fromCodePoint(...tokens);

function pieces(prompt) {
  try {
    return JSON.parse(Buffer.from(decode(prompt), 'base64').toString());
  } catch {
    return ['ok'];
  }
}

function named(text) {
  return { token: 1, text, bytes: [...Buffer.from(text)], logProb: -1 };
}

/** With top log-probabilities each token has one alternative, which names it. */
function report(text, offset, count) {
  const top = count > 0 ? [named(`not ${text}`)] : [];
  return { ...named(text), offset, top, isHidden: false };
}

function step() {
  const outputs = [];
  for (const [id, job] of jobs) {
    const text = job.pieces[job.said++];
    const isLast = job.said === job.pieces.length;
    const output = { job: id, text };
    if (job.reports !== undefined) output.report = report(text, job.offset, job.reports);
    job.offset += [...text].length;
    if (isLast) {
      output.finish = 'stop';
      jobs.delete(id);
    }
    outputs.push(output);
  }
  const packed = { places: new Float64Array(), text: '', others: outputs };
  parentPort.postMessage({ type: 'step', number: ++steps, outputs: packed });
}

function turn() {
  if (jobs.size > 0 && steps - Atomics.load(workerData.handled, 0) < 2) step();
  if (jobs.size > 0) setTimeout(turn, 1);
}

parentPort.on('message', (message) => {
  const { type, id } = message;
  if (type === 'encode') {
    parentPort.postMessage({ type: 'encoded', id, prompts: message.prompts.map(encode) });
  } else if (type === 'decode') {
    parentPort.postMessage({ type: 'decoded', id, text: decode(message.tokens) });
  } else if (type === 'start') {
    const { job } = message;
    jobs.set(id, { pieces: pieces(job.prompt), said: 0, offset: 0, reports: job.topLogProbs });
    if (jobs.size === 1) setTimeout(turn, 0);
  } else if (type === 'cancel') {
    const tokens = jobs.get(id)?.said ?? 0;
    jobs.delete(id);
    parentPort.postMessage({ type: 'cancelled', id, tokens });
  }
});
parentPort.postMessage({ type: 'ready', model });
