#!/usr/bin/env node
// npm run check: types, Biome, clang-format, layers, lengths and words. All run, and all report.
// --fix repairs what it can.
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/check.mjs').then(({ check }) => check(process.argv.slice(2))));
