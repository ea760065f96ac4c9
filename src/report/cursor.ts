/**
 * A hidden cursor comes back however the process ends. Node's exit event is not sent when a signal
 * ends it, so while a cursor is hidden the signals are listened to; where nobody else listens, the
 * signal then does what it would have done.
 */
const SHOW = '\x1b[?25h';
const HIDE = '\x1b[?25l';
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** How many hold each stream's cursor hidden. */
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
  // Someone who finishes the step and saves, say: the work goes on, and so does its line.
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
