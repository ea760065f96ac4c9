/**
 * Edit distance of two words. One mistake is a wrong, a missing or an additional letter, or a swap
 * of two neighbouring letters.
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(substitution, last[j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/**
 * The candidate that a user who typed `word` most likely meant, or undefined when none is
 * close. A candidate is close when at most a third of the letters are wrong, or when it begins
 * with `word` and `word` has at least three letters. Differences of case and between `_` and
 * `-` are no mistakes.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll('_', '-').replace(/^-+/, '');
  // A mistyped name is about as long as the name. The cut keeps a hostile megabyte
  // from costing time.
  const typed = plain(word).slice(0, 100);
  let best: string | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const name = plain(candidate);
    const prefix = typed.length >= 3 && name.startsWith(typed);
    const cost = prefix ? 0.5 : editDistance(typed, name);
    const allowed = Math.max(1, Math.floor(Math.max(typed.length, name.length) / 3));
    if (cost <= allowed && cost < bestCost && cost < name.length) {
      best = candidate;
      bestCost = cost;
    }
  }
  return best;
}
