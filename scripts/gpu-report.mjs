#!/usr/bin/env node
// npm run gpu:report FOLDER: turns the results of gpu-check.sh into tables in Markdown.
import { runScript } from './lib/node-version.mjs';

runScript(() => import('./lib/gpu-kit/report.mjs').then(({ gpuReport }) => gpuReport(process.argv.slice(2))));
