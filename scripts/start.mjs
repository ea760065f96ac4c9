#!/usr/bin/env node
// npm start: installs, builds, and runs the main job, which gets the arguments:
// npm start -- --seed 1
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/start.mjs').then(({ start }) => start(process.argv.slice(2))));
