import type { EventEmitter } from 'node:events';

/**
 * Lets a stream of status messages fail. Without a listener an error of writing, such as a full
 * disk behind stderr, would end the process and with it the work that the messages are about.
 */
export function tolerateErrors(stream: EventEmitter): void {
  if (!stream.listeners('error').includes(ignore)) stream.on('error', ignore);
}

function ignore(): void {}
