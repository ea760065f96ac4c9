/** The end of a reading by classifiers that takes too long, or that nobody waits for. */
export interface ReadingLimit {
  /** Aborted when nobody waits. */
  signal: AbortSignal;
  /** Seconds of one reading. */
  seconds: number;
  /** What is thrown after that time. */
  late(): Error;
}

/**
 * Runs a reading. Its signal is aborted by the one of the limit, with the same reason, and when the
 * time is over.
 */
export async function withinLimit<T>(
  limit: ReadingLimit | undefined,
  read: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  if (!limit) return read(undefined);
  const controller = new AbortController();
  const leave = () => controller.abort(limit.signal.reason);
  if (limit.signal.aborted) leave();
  limit.signal.addEventListener('abort', leave, { once: true });
  const timer = setTimeout(() => controller.abort(limit.late()), limit.seconds * 1000);
  try {
    return await read(controller.signal);
  } finally {
    clearTimeout(timer);
    limit.signal.removeEventListener('abort', leave);
  }
}
