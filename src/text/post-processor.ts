/**
 * The post-processor of a tokenizer.json: the tokens that the tokenizers library puts around a
 * text, such as the begin token of Llama 3. transformers asks nothing else: beside a tokenizer.json
 * it ignores `add_bos_token` and `add_eos_token` of tokenizer_config.json.
 */
import { AthanorError } from '../base/errors.ts';
import type { JsonObject, JsonValue } from '../base/json.ts';

/** Ids that stand around a text. */
export interface TextFrame {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

const EMPTY: TextFrame = { before: [], after: [] };

/**
 * The tokens that a post-processor puts around a single text. Throws ERR_FORMAT for one that the
 * tokenizers library does not know, or that does anything else to a text.
 * @param path of the file, for messages
 */
export function frameOf(value: JsonValue | undefined, path: string): TextFrame {
  if (value === undefined || value === null) return EMPTY;
  const processor = objectOf(value, 'post_processor', path);
  switch (processor.type) {
    case 'ByteLevel':
      return EMPTY;
    case 'RobertaProcessing':
    case 'BertProcessing':
      return { before: [pairId(processor.cls, 'cls', path)], after: [pairId(processor.sep, 'sep', path)] };
    case 'TemplateProcessing':
      return templateFrame(processor, path);
    case 'Sequence':
      return sequenceFrame(processor, path);
    default:
      return fail(`the post_processor ${JSON.stringify(processor.type)} is not supported`, path);
  }
}

/** For a second step the library counts the first one's tokens as texts: nobody means that. */
function sequenceFrame({ processors }: JsonObject, path: string): TextFrame {
  const frames = arrayOf(processors, 'post_processor.processors', path).map((step) => frameOf(step, path));
  const [frame = EMPTY, second] = frames.filter(({ before, after }) => before.length + after.length > 0);
  if (second) fail('a post_processor with two steps that add tokens is not supported', path);
  return frame;
}

function templateFrame(processor: JsonObject, path: string): TextFrame {
  const special = objectOf(processor.special_tokens, 'post_processor.special_tokens', path);
  const before: number[] = [];
  const after: number[] = [];
  let texts = 0;
  for (const item of arrayOf(processor.single, 'post_processor.single', path)) {
    const piece = objectOf(item, 'a piece of post_processor.single', path);
    if (piece.Sequence !== undefined) texts += 1;
    else (texts === 0 ? before : after).push(...idsOf(piece, special, path));
  }
  if (texts !== 1) fail(`a post_processor that writes a text ${texts} times is not supported`, path);
  return { before, after };
}

function idsOf(piece: JsonObject, special: JsonObject, path: string): number[] {
  const { id: name } = objectOf(piece.SpecialToken, 'a piece of post_processor.single', path);
  const token = objectOf(
    special[String(name)],
    `post_processor.special_tokens[${JSON.stringify(name)}]`,
    path,
  );
  return arrayOf(token.ids, `the ids of ${JSON.stringify(name)}`, path).map((id) => checkedId(id, path));
}

/** The id of a pair of a token and its id. */
function pairId(pair: JsonValue | undefined, where: string, path: string): number {
  return checkedId(arrayOf(pair, `post_processor.${where}`, path)[1], path);
}

function checkedId(id: JsonValue | undefined, path: string): number {
  if (typeof id === 'number' && id >= 0 && id === (id | 0)) return id;
  return fail(`expected an id in post_processor but it is ${JSON.stringify(id)}`, path);
}

function objectOf(value: JsonValue | undefined, where: string, path: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  return fail(`expected ${where} to be an object`, path);
}

function arrayOf(value: JsonValue | undefined, where: string, path: string): JsonValue[] {
  return Array.isArray(value) ? value : fail(`expected ${where} to be an array`, path);
}

function fail(problem: string, path: string): never {
  throw new AthanorError(
    'ERR_FORMAT',
    `${path}: ${problem}`,
    'use TemplateProcessing, RobertaProcessing, BertProcessing, ByteLevel or a Sequence of them, or null',
  );
}
