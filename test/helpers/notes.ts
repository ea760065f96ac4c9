/** A console that records its notes and warnings. */
import type { RunConsole } from '../../src/comm/run-context.ts';

export function notebook(): { console: RunConsole; notes: string[] } {
  const notes: string[] = [];
  const write = (text: string) => {
    notes.push(text);
  };
  return { console: { note: write, warn: write }, notes };
}
