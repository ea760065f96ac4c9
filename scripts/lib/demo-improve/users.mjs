// Simulated people who talk to a server over HTTP and say which of two answers they prefer. What
// they prefer is known to the demonstration alone: neither server nor training is told.

/** Requests at the same time. */
const AT_ONCE = 16;

/** A stream of numbers from 0 to 1 that a seed decides. */
export function randomNumbers(seed) {
  let state = (seed + 1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function post(url, path, body, headers = {}) {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (response.status !== 200)
    throw new Error(`${path} answered ${response.status}: ${JSON.stringify(answer)}`);
  return answer;
}

/** Calls `work` for each item, some at a time; the results are in the order of the items. */
async function inParallel(items, work) {
  const results = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index], index);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

const asked = (prompt, seed, more) => ({
  messages: [{ role: 'user', content: prompt }],
  temperature: 1,
  seed,
  ...more,
});

/** One drawn answer to each prompt. */
export function answers(url, prompts, { maxTokens, seed }) {
  return inParallel(prompts, async (prompt, i) => {
    const request = asked(prompt, seed * 1_000_003 + i, { max_tokens: maxTokens });
    const { choices } = await post(url, '/v1/chat/completions', request);
    return choices[0].message.content;
  });
}

/**
 * Each vote is one person's about two answers to one prompt. A person is mistaken with the
 * probability `mistaken`, and always when it is 1.
 * @param votes of { user, prompt }
 */
export async function vote(url, votes, { prefers, maxTokens, mistaken, seed }) {
  const random = randomNumbers(seed);
  const slips = votes.map(() => random() < mistaken);
  const bodies = await inParallel(votes, async ({ user, prompt }, i) => {
    const request = asked(prompt, seed * 999_983 + i, { max_tokens: maxTokens, n: 2, user });
    const { id, choices } = await post(url, '/v1/chat/completions', request);
    const [first, second] = choices.map(({ message }) => prefers(message.content));
    let preferred = 'tie';
    if (first !== second) preferred = first !== slips[i] ? 'first' : 'second';
    return {
      ...{ first: { response_id: id, choice: 0 }, second: { response_id: id, choice: 1 } },
      ...{ preferred, user, idempotency_key: `${user}-${i}` },
    };
  });
  // One after the other: the order of the votes is that of the rows, so every run trains alike.
  for (const body of bodies) await post(url, '/v1/comparisons', body);
}

/** Tells the server to load the model that its path shows now. */
export function reload(url, key) {
  return post(url, '/admin/reload', {}, { 'x-api-key': key });
}
