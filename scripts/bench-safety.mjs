// Measures what the checks of a safety policy cost; the best of five runs each:
//   node scripts/bench-safety.mjs corpus.txt [classifier]
// Needs the built package (npm run build). A token is four characters.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassifierThread } from '../dist/safety/classifier-thread.js';
import { SafetyPolicy } from '../dist/safety/policy.js';
import { TextScan } from '../dist/safety/text-scan.js';

const TOKEN = 4;
const [file, classifier] = process.argv.slice(2);
if (!file) throw new Error('name a text file');
const text = readFileSync(file, 'utf8').slice(0, 400_000);
const pieces = text.match(new RegExp(`[^]{1,${TOKEN}}`, 'g'));
const folder = mkdtempSync(join(tmpdir(), 'athanor-bench-safety-'));

const row = (name, value, unit) => console.log(`${name.padEnd(52)}${value.toFixed(2).padStart(9)} ${unit}`);

async function best(work, runs = 5) {
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    await work();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

function policyOf(made) {
  const path = join(folder, 'policy.json');
  writeFileSync(path, JSON.stringify({ categories: { made } }));
  return SafetyPolicy.read(path);
}

/** Words that no text has, but that begin as words do. */
function words(count) {
  const known = [...new Set(text.match(/[a-z]{5,}/g))];
  return Array.from({ length: count }, (_, i) => `${known[i % known.length].slice(0, 4)}zq${i.toString(36)}`);
}

try {
  for (const [name, made] of [
    ['10 words', { words: words(10) }],
    ['1,000 words', { words: words(1000) }],
    ['100,000 words', { words: words(100_000) }],
    ['10 words and 10 patterns', { words: words(10), patterns: words(10).map((word) => `\\b${word}s?\\b`) }],
    ['100 patterns', { patterns: words(100).map((word) => `\\b${word}s?\\b`) }],
  ]) {
    const policy = policyOf(made);
    const milliseconds = await best(() => {
      const scan = new TextScan(policy);
      for (const piece of pieces) {
        scan.push(piece);
        void scan.certain;
      }
      scan.end();
    });
    row(`a stream, ${name}`, (1000 * milliseconds) / pieces.length, 'µs per token');
  }
  if (classifier) {
    const thread = await ClassifierThread.start({
      folders: [classifier],
      device: 'cpu',
      dtype: 'f32',
      threads: undefined,
    });
    for (const [count, length] of [
      [1, 128],
      [1, 512],
      [16, 512],
    ]) {
      const questions = Array.from({ length: count }, (_, i) => {
        return { classifier: 0, input: { text: text.slice(i * length, (i + 1) * length) } };
      });
      const milliseconds = await best(() => thread.score(questions));
      row(`${count} texts of ${length} characters, one classifier`, milliseconds / count, 'ms per text');
    }
    await thread.close();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
