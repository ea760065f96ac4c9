#!/usr/bin/env node
// npm run docs: writes the API reference of src/index.ts into build/docs/api. A warning
// is a failure.
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/docs.mjs').then(({ docs }) => docs()));
