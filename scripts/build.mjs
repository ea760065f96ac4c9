#!/usr/bin/env node
// npm run build: whatever is out of date in the native engine and in dist. --native and --ts build one of the two; what
// follows a second -- goes to cmake-js: node scripts/build.mjs --native -- --CDATHANOR_ISAS=avx2
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/build.mjs').then(({ build }) => build(process.argv.slice(2))));
