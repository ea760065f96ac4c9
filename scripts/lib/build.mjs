import { buildNative } from './native.mjs';
import { requirePrerequisites } from './prerequisites.mjs';
import { Explained } from './process.mjs';
import { buildTypescript } from './typescript.mjs';

export async function build(args = []) {
  const split = args.includes('--') ? args.indexOf('--') : args.length;
  const own = args.slice(0, split);
  const unknown = own.find((arg) => arg !== '--native' && arg !== '--ts');
  if (unknown !== undefined)
    throw new Explained(`build: unknown option ${unknown}; it takes --native and --ts`);
  const wants = (part) => own.length === 0 || own.includes(part);
  if (wants('--native')) {
    requirePrerequisites();
    await buildNative(args.slice(split + 1));
  }
  if (wants('--ts')) await buildTypescript();
}
