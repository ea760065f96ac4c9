#!/usr/bin/env node
// npm run gpu:kit: makes build/gpu-kit, a folder with all that a machine with a GPU and without
// network lacks to check and measure the GPU path. See docs/gpu-kit.md.
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/gpu-kit/make.mjs').then(({ gpuKit }) => gpuKit(process.argv.slice(2))));
