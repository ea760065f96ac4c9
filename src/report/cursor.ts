/**
 * Hides the cursor and shows it again however the process ends. Node sends no exit event when a
 * signal ends the process, so signals are listened to while a cursor is hidden. If nobody else
 * listens, the signal then has its usual effect.
 */
const SHOW = '\x1b[?25h';
const HIDE = '\x1b[?25l';
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Number of users that hide the cursor of each stream. */
const hidden = new Map<NodeJS.WriteStream, number>();

export function hideCursor(stream: NodeJS.WriteStream): void {
  if (hidden.size === 0) {
    process.on('exit', restoreAll);
    for (const signal of signals) process.on(signal, onSignal);
  }
  hidden.set(stream, (hidden.get(stream) ?? 0) + 1);
  stream.write(HIDE);
}

export function showCursor(stream: NodeJS.WriteStream): void {
  const holders = hidden.get(stream);
  if (holders === undefined) return;
  if (holders > 1) {
    hidden.set(stream, holders - 1);
    return;
  }
  hidden.delete(stream);
  stream.write(SHOW);
  if (hidden.size === 0) forget();
}

function restoreAll(): void {
  for (const stream of hidden.keys()) stream.write(SHOW);
}

function onSignal(signal: NodeJS.Signals): void {
  // Another listener, for example one that finishes the step and saves: the process continues, and
  // so does its status line.
  if (process.listenerCount(signal) > 1) return;
  for (const stream of hidden.keys()) stream.write(`\n${SHOW}`);
  hidden.clear();
  forget();
  process.kill(process.pid, signal);
}

function forget(): void {
  process.off('exit', restoreAll);
  for (const signal of signals) process.off(signal, onSignal);
}
