/** A console that remembers what it was told. */
import type { RunConsole } from '../../src/comm/run-context.ts';

export function notebook(): { console: RunConsole; notes: string[] } {
  const notes: string[] = [];
  const write = (text: string) => {
    notes.push(text);
  };
  return { console: { note: write, warn: write }, notes };
}
