// Prints what device the engine finds; fails with the reason where there is none.
import { createRequire } from 'node:module';

try {
  const native = createRequire(import.meta.url)('./build/Release/athanor.node');
  const [available, detail] = native.cudaStatus();
  process.stdout.write(`${detail}\n`);
  process.exitCode = available ? 0 : 1;
} catch (error) {
  process.stdout.write(`the engine does not load here: ${error.message}\n`);
  process.exitCode = 1;
}
