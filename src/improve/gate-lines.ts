/** Gates as lines for a terminal. */
import type { GateReport } from './gates/gate.ts';

/** One line per gate. */
export function gateLines(gates: readonly GateReport[]): string[] {
  const width = Math.max(...gates.map(({ name }) => name.length));
  return gates.map((gate) => {
    const { name, status, measure, note, lead, low, high, served, candidate, items } = gate;
    const start = `${name.padEnd(width)}  ${status}`;
    if (lead === null) return `${start}: ${note}`;
    const before = served === null ? '' : ` (served ${three(served)})`;
    return `${start}: ${measure} ${three(candidate!)}${before}, lead ${three(lead)} [${three(low!)}, ${three(high!)}] on ${items}`;
  });
}

function three(value: number): string {
  return value.toFixed(3);
}
