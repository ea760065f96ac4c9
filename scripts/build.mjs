#!/usr/bin/env node
// npm run build: builds everything in the native engine and in dist that is out of date. --native
// and --ts build one of the two. --here builds only the parts of the engine that this machine can
// run. Arguments after a second -- go to cmake-js:
// node scripts/build.mjs --native -- --CDATHANOR_ISAS=avx2
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/build.mjs').then(({ build }) => build(process.argv.slice(2))));
