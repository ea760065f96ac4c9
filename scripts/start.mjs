#!/usr/bin/env node
// npm start: install, build, run the main job. Arguments go to it: npm start -- --time 30
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/start.mjs').then(({ start }) => start(process.argv.slice(2))));
