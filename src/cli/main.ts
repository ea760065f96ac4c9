#!/usr/bin/env node
import { guardProcess, runCli } from './run-command.ts';

const argv = process.argv.slice(2);
guardProcess(argv);
process.exitCode = await runCli(argv);
