#!/usr/bin/env node
// node scripts/kill-server.mjs [--kills N] [--seed S]: kills a server with SIGKILL while clients
// rate its answers, starts it again on the same store, and checks that no rating is lost that the
// server has acknowledged. Exits 1 when one is.
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/kill-server.mjs').then(({ killServer }) => killServer(process.argv.slice(2))));
