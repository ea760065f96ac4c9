#!/usr/bin/env node
// `npm run example NAME [ARGUMENTS]`: compiles the programs in examples/ and runs one of them.
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/example.mjs').then(({ example }) => example(process.argv.slice(2))));
