// For --import: every import of "typescript" gets the package typescript-6.
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) register(import.meta.url);

export function resolve(name, context, next) {
  return next(name === 'typescript' ? 'typescript-6' : name, context);
}
