/** Which of the ranks that ended made the others end. */
import type { RankEnd } from './local-ranks.ts';

/** Whether a rank was ended from outside, such as by the kernel for want of memory. */
export function isDeath({ signal, wasStopped }: RankEnd): boolean {
  return signal !== null && !wasStopped;
}

/**
 * The end that made the others end. The first rank that died or failed by itself comes before all
 * that report another rank, because their exits may be seen first. Where rank 0 has the same error,
 * it is named, since the user has seen that already. Undefined when all ended well.
 * @param ends in the order in which they were seen, of all ranks
 */
export function causeOf(ends: readonly RankEnd[]): RankEnd | undefined {
  const failed = ends.filter(({ code }) => code !== 0);
  const own = failed.find(({ wasStopped, report }) => !wasStopped && !report?.isAboutOther);
  const first = own ?? failed.find((end) => !end.wasStopped) ?? failed[0];
  const message = first?.report?.message;
  const shown = failed.find(({ rank, report }) => rank === 0 && report && report.message === message);
  return shown ?? first;
}
