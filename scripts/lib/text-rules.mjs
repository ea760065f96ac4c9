// Rules about text that no formatter has: length of files, words that mean unfinished work, paths of one machine.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const maxLines = 800;

// Each is split, so that this file does not break its own rule.
const word = (...parts) => parts.join('');
const rules = [
  [
    new RegExp(`\\b(${word('TO', 'DO')}|${word('FIX', 'ME')}|${word('XX', 'X')}|${word('HA', 'CK')})\\b`),
    'unfinished work',
  ],
  [new RegExp(`not (yet )?${word('imple', 'mented')}`, 'i'), 'unfinished work'],
  [
    new RegExp(`\\b(it|test|describe)\\.(${word('on', 'ly')}|${word('sk', 'ip')})\\(`),
    'a test that does not run, or alone',
  ],
  [/^(<{7}|>{7}) /, 'a merge conflict'],
  [
    new RegExp(word('"resol', 'ved": "https?:')),
    'a registry address: npm config set omit-lockfile-registry-resolved true',
  ],
  [
    new RegExp(`(^|[\\s"'\`(=:])/(${word('ho', 'me')}|${word('ro', 'ot')}|${word('Us', 'ers')})/[a-z]`),
    'a path of one machine',
  ],
];

/** The text files that git tracks or would track. */
export function trackedFiles(root) {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const names = execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 }).split('\0');
  return names.filter((name) => name !== '' && existsSync(join(root, name)));
}

const codeFile = /\.(ts|mjs|cjs|h|cpp|cu|cuh)$/;
const textFile =
  /\.(ts|mjs|cjs|h|cpp|cu|cuh|json|md|txt|ya?ml|css|html|py|sh|gyp)$|(^|\/)(CMakeLists\.txt|\.ci\/run)$/;

/** Every violation in the named files, as `file:line: what`. */
export function checkText(root, names) {
  const problems = [];
  for (const name of names.filter((file) => textFile.test(file) && !file.includes('/fixtures/'))) {
    const lines = readFileSync(join(root, name), 'utf8').split('\n');
    if (codeFile.test(name) && lines.length > maxLines + 1) {
      problems.push(`${name}: ${lines.length - 1} lines; the limit is ${maxLines}: split it`);
    }
    lines.forEach((line, index) => {
      for (const [pattern, what] of rules) {
        const match = pattern.exec(line);
        if (match) problems.push(`${name}:${index + 1}: "${match[0].trim()}" is ${what}`);
      }
    });
  }
  return problems;
}
