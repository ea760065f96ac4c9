#!/usr/bin/env node
// npm run demo:improve -- [--seeds 1,2,3] [--out runs/demo-improve]: simulated people with a hidden
// preference vote over HTTP, and a round of `athanor improve` learns it. A part whose result.json
// exists is not run again.
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/demo-improve/demo.mjs').then(({ demo }) => demo(process.argv.slice(2))));
