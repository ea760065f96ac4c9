/**
 * tiktoken rank files. Each line has the bytes of a token in base64 and its rank, which is its id.
 */
import { AthanorError } from '../base/errors.ts';
import { largest, readBytes } from '../base/files/read-file.ts';
import { native } from '../native/addon.ts';
import { patternPipeline } from './pipeline.ts';
import { type SplitPattern, TokenKind, TokenTable, type Vocabulary } from './vocabulary.ts';

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Reads a rank file. The caller gives the split pattern and the special tokens, because the file
 * names neither. Throws ERR_FILE_MISSING, and ERR_FORMAT with the line that is wrong.
 */
export function readTiktokenFile(
  path: string,
  pattern: SplitPattern,
  specialTokens: Readonly<Record<string, number>>,
): Vocabulary {
  const content = readBytes(path, { most: largest.rankFile }).toString('latin1');
  const table = new TokenTable(path);
  let number = 0;
  for (const line of content.split('\n')) {
    number++;
    if (line === '' || line === '\r') continue;
    const [, token, rank] = /^(\S+) (\d{1,9})\r?$/.exec(line) ?? [];
    if (token === undefined || rank === undefined || !base64.test(token)) {
      throw new AthanorError(
        'ERR_FORMAT',
        `${path}:${number}: expected a token in base64, a space and its rank, but found ${JSON.stringify(line.slice(0, 60))}`,
        'name a .tiktoken file',
      );
    }
    table.addOrdinary(Number(rank), Buffer.from(token, 'base64'));
  }
  const settings = { pipeline: patternPipeline(pattern), ignoreMerges: true };
  const ordinary = table.build(new Int32Array(), settings);
  let merges: Int32Array;
  try {
    merges = native.recoverMerges(ordinary.bytes, ordinary.offsets);
  } catch (error) {
    const message = (error as Error).message.replace(/^\[tokenizer\] /, '');
    throw new AthanorError(
      'ERR_FORMAT',
      `${path}: ${message}`,
      'the file is cut short or damaged; fetch it again',
      {
        cause: error,
      },
    );
  }
  for (const [text, id] of Object.entries(specialTokens)) table.addWhole(id, text, TokenKind.special);
  return table.build(merges, settings);
}
