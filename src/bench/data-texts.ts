/** Documents in memory for the benchmarks of preparing a corpus. */
import { AthanorError } from '../base/errors.ts';
import { readCorpus } from '../data/corpus/corpus.ts';

/**
 * Documents of at most `documentBytes` bytes from files, folders and packaged corpora, until they
 * have `bytes` bytes. They are repeated if there are fewer.
 * Throws ERR_ARGUMENT when there is no text, and the errors of readCorpus.
 */
export async function benchTexts(
  sources: readonly string[],
  documentBytes: number,
  bytes: number,
): Promise<string[]> {
  const read: string[] = [];
  let held = 0;
  for await (const item of readCorpus(sources, { partBytes: Math.max(documentBytes, 1024) })) {
    if (!('document' in item)) continue;
    const { text } = item.document;
    for (let start = 0; start < text.length && held < bytes; start += documentBytes) {
      const part = text.slice(start, start + documentBytes);
      read.push(part);
      held += Buffer.byteLength(part);
    }
    if (held >= bytes) break;
  }
  if (read.length === 0) {
    throw new AthanorError('ERR_ARGUMENT', `${sources.join(', ')} holds no text`, 'name other text');
  }
  const texts = [...read];
  for (let i = 0; held < bytes; i++) {
    const text = read[i % read.length]!;
    texts.push(text);
    held += Buffer.byteLength(text);
  }
  return texts;
}

export const bytesOf = (texts: readonly string[]) =>
  texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
