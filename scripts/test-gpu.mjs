#!/usr/bin/env node
// npm run test:gpu: runs the kernels' C++ tests on a GPU, then the suites of vitest.cuda.config.ts
// with device cuda. Arguments select C++ tests by parts of their names.
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/test-gpu.mjs').then(({ testGpu }) => testGpu(process.argv.slice(2))));
