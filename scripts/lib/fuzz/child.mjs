/**
 * Reads damaged files until it is told to stop: child.mjs ROOT SEED FIRST LAST READERS. Before each
 * input it writes the input's number to ROOT/progress, which outlives a crash. An input that is
 * handled wrongly is a line of ROOT/faults.jsonl.
 */
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { mutateFile } from './mutations.mjs';
import { randomOf } from './random.mjs';
import { makeFiles, readersOf } from './readers.mjs';

/** A reader gets one of this many of its inputs, because each takes a hundred times as long. */
const rare = { resume: 40 };
/** Files of a run that only the run itself reads. */
const ownFiles = /^run\.json|^metrics|state\.json|metric\.json|checksums|training\.safetensors/;
const longestMessage = 5000;
/** Exit code when the valid files are refused. */
const UNUSABLE = 3;

const [root, seed, first, last, names] = process.argv.slice(2);

if (first === 'make') await makeFiles(root);
else await readAll();

/** The valid files of a reader by their paths, from the smallest depth on. */
function filesOf(folder) {
  const all = readdirSync(folder, { recursive: true }).sort();
  const files = all.filter((name) => statSync(join(folder, name)).isFile());
  return folder.endsWith('resume') ? files.filter((name) => ownFiles.test(basename(name))) : files;
}

async function readAll() {
  const readers = await readersOf(root);
  const chosen = names.split(',').map((name) => {
    const folder = join(root, name);
    const originals = new Map(filesOf(folder).map((file) => [file, readFileSync(join(folder, file))]));
    const work = join(root, 'work', name);
    rmSync(work, { recursive: true, force: true });
    cpSync(folder, work, { recursive: true });
    return { name, originals, work, read: readers[name] };
  });
  // Damage tells nothing about a reader that refuses valid files.
  for (const { read, work, originals, name } of chosen) {
    try {
      await read(work);
    } catch (error) {
      process.stderr.write(`${name} refuses valid files: ${error.stack}\n`);
      process.exit(UNUSABLE);
    }
    restore(work, originals, [], name);
  }
  const progress = openSync(join(root, 'progress'), 'r+');
  for (let input = Number(first); input < Number(last); input++) {
    writeSync(progress, `${input}`.padStart(15), 0);
    const reader = chosen[input % chosen.length];
    const isRare = chosen.length > 1 && input % (chosen.length * (rare[reader.name] ?? 1)) >= chosen.length;
    if (isRare) continue;
    const problem = await readDamaged(reader, input);
    if (problem) fault({ reader: reader.name, input, ...problem });
  }
  writeSync(progress, 'done'.padStart(15), 0);
}

function fault(record) {
  appendFileSync(join(root, 'faults.jsonl'), `${JSON.stringify(record)}\n`);
}

/** The problem, or undefined where the reader did its part: a value, or one error with a code. */
async function readDamaged({ name, originals, work, read }, input) {
  const random = randomOf(seed, name, input);
  const files = [...originals.keys()];
  const damaged = new Set([random.pick(files), ...(random.chance(0.1) ? [random.pick(files)] : [])]);
  for (const file of damaged) {
    writeFileSync(
      join(work, file),
      mutateFile(file, originals.get(file), random, originals.get(random.pick(files))),
    );
  }
  try {
    await read(work);
    return undefined;
  } catch (error) {
    return problemOf(error);
  } finally {
    restore(work, originals, damaged, name);
  }
}

function problemOf(error) {
  const { name, code, message, stack } = error ?? {};
  if (name !== 'AthanorError') return { kind: 'untyped', message: String(error), stack };
  if (code === 'ERR_INTERNAL') return { kind: 'internal', message, stack: error.cause?.stack ?? stack };
  if (message.length > longestMessage) return { kind: 'long', message: message.slice(0, 200) };
  return undefined;
}

/** A run that is resumed also writes files; its folder is made anew. */
function restore(work, originals, damaged, name) {
  if (name === 'resume') {
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work, { recursive: true });
    cpSync(join(root, name), work, { recursive: true });
    return;
  }
  // Reading a log for a resumed run writes it too.
  const changed = name === 'metrics' ? originals.keys() : damaged;
  for (const file of changed) writeFileSync(join(work, file), originals.get(file));
}
