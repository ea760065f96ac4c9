#!/usr/bin/env node
// npm test: installs, builds, checks, then runs every test. Arguments go to vitest: npm
// test -- test/cli
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/test.mjs').then(({ test }) => test(process.argv.slice(2))));
