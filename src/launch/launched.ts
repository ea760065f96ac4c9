/** What a rank does when it was started by `athanor launch`. */

/** Set in the environment of such a rank. */
export const LAUNCHED = 'ATHANOR_LAUNCHED';

/**
 * Ends this process when its launcher is gone, which closes standard input: a rank alone would wait
 * for the others and hold the folder of the run.
 */
export function endWithLauncher(): void {
  if (!process.env[LAUNCHED]) return;
  process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL'));
  process.stdin.resume();
  // Listening must not keep a process alive that is done.
  process.stdin.unref();
}
