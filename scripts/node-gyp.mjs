#!/usr/bin/env node
// npm run build:gyp: node-gyp with the headers of this Node, if they are installed beside it, so
// that it downloads nothing. The engine itself comes from CMake (binding.gyp calls it) and needs
// no such headers.
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/gyp.mjs').then(({ gyp }) => gyp(process.argv.slice(2))));
