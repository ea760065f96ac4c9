#!/usr/bin/env node
// npm run results -- [--seeds 1,2,3] [--out runs/results]: the pipeline once a seed, and docs/results.md from what came out.
// A seed whose result.json is there already is not run again.
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/results.mjs').then(({ results }) => results(process.argv.slice(2))));
