#!/usr/bin/env node
// npm run build: all that is out of date in the native engine and in dist. --native and --ts build one of the two,
// --here only what this machine can run of the engine. Arguments after a second -- go to cmake-js:
// node scripts/build.mjs --native -- --CDATHANOR_ISAS=avx2
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/build.mjs').then(({ build }) => build(process.argv.slice(2))));
