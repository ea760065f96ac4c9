#!/usr/bin/env node
// npm run fuzz -- [--seconds N] [--inputs N] [--seed S] [--reader NAME] [--input I]: gives damaged
// files to every reader. Exits 1 when one crashes, hangs or throws an error without a code.
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/fuzz/fuzz.mjs').then(({ fuzzCommand }) => fuzzCommand(process.argv.slice(2))));
