/** The thread that checks rules. */
import { parentPort, receiveMessageOnPort } from 'node:worker_threads';
import type { FromRules, RuleCheck, ToRules } from '../protocol/rule-messages.ts';
import { RuleChecks } from './rule-checks.ts';

const port = parentPort!;
const rules = new RuleChecks();
/** By id, the oldest first. */
const waiting = new Map<number, readonly RuleCheck[]>();

function take(message: ToRules): void {
  if ('cancel' in message) waiting.delete(message.cancel);
  else waiting.set(message.id, message.checks);
}

port.on('message', (first: ToRules) => {
  take(first);
  for (;;) {
    for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) {
      take(got.message as ToRules);
    }
    const [next] = waiting;
    if (!next) return;
    const [id, checks] = next;
    waiting.delete(id);
    port.postMessage({ id, failure: rules.failureOf(checks) } satisfies FromRules);
  }
});
