import { machineParts } from './machine.mjs';
import { buildNative } from './native.mjs';
import { requirePrerequisites } from './prerequisites.mjs';
import { Explained } from './process.mjs';
import { buildTypescript } from './typescript.mjs';

const options = ['--native', '--ts', '--here'];

export async function build(args = []) {
  const split = args.includes('--') ? args.indexOf('--') : args.length;
  const own = args.slice(0, split);
  const unknown = own.find((arg) => !options.includes(arg));
  if (unknown !== undefined)
    throw new Explained(`build: unknown option ${unknown}; it takes ${options.join(', ')}`);
  const both = !own.includes('--native') && !own.includes('--ts');
  if (both || own.includes('--native')) {
    requirePrerequisites();
    const parts = own.includes('--here') ? machineParts() : undefined;
    await buildNative({ parts, cmakeArguments: args.slice(split + 1) });
  }
  if (both || own.includes('--ts')) await buildTypescript();
}
