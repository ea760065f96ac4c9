#!/usr/bin/env node
// npm run results -- [--seeds 1,2,3] [--out runs/results]: runs the pipeline once per seed, and
// writes docs/results.md. A seed whose result.json exists is not run again.
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/results.mjs').then(({ results }) => results(process.argv.slice(2))));
