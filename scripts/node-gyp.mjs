#!/usr/bin/env node
// npm run build:gyp: node-gyp with this Node's own headers where they are installed beside it, so that it downloads
// nothing. The engine itself comes from CMake (binding.gyp delegates) and needs no such headers.
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/gyp.mjs').then(({ gyp }) => gyp(process.argv.slice(2))));
