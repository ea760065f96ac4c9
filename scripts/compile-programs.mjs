#!/usr/bin/env node
// `compile-programs.mjs FOLDER OUT`: compiles programs that import this package by its name, and
// prints their errors.
import { runScript } from './lib/node-version.mjs';

runScript(async () => {
  const { compilePrograms } = await import('./lib/programs.mjs');
  const problems = await compilePrograms(process.argv[2], process.argv[3]);
  if (problems !== '') process.stdout.write(`${problems}\n`);
  process.exitCode = problems === '' ? 0 : 1;
});
