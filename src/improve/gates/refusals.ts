/** Tells refusals from answers by how they begin. */
import { normalized } from '../../feedback/training-rows/near-duplicates.ts';

/** In the spelling of `normalized`. */
const BEGINNINGS = [
  'i can t help',
  'i can t assist',
  'i can t answer',
  'i can t provide',
  'i can t do that',
  'i cannot',
  'i can not',
  'i m sorry',
  'i am sorry',
  'sorry',
  'i won t',
  'i will not',
  'i m not able to',
  'i am not able to',
  'i m unable to',
  'i am unable to',
  'i must decline',
];

/** A test for refusals. @param more other beginnings, such as the refusal that a server gives */
export function refusalTest(more: readonly string[]): (text: string) => boolean {
  const beginnings = [...BEGINNINGS, ...more.map(normalized)].filter((text) => text !== '');
  return (text) => {
    const plain = normalized(text);
    return beginnings.some((beginning) => plain === beginning || plain.startsWith(`${beginning} `));
  };
}
