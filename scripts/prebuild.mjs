#!/usr/bin/env node
// npm run prebuild -- [--target linux-x64] [--also linux-arm64] [--skip-build]: makes the tarballs
// of the package and of the engine's prebuilt package for one platform, in build/prebuild.
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/prebuild.mjs').then(({ prebuild }) => prebuild(process.argv.slice(2))));
