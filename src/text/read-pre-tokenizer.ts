/** The `pre_tokenizer` of a tokenizer.json as steps of the engine. */
import { type JsonObject, type JsonValue, quoted } from '../base/json.ts';
import type { NativePieceStep, SplitBehavior } from '../native/binding/text.ts';
import type { FileReader } from './file-reader.ts';
import { pieceStep } from './pipeline.ts';
import { patternOfExpression } from './split-patterns.ts';

const behaviors: Readonly<Record<string, SplitBehavior>> = {
  Isolated: 'isolated',
  Removed: 'removed',
  MergedWithPrevious: 'mergedWithPrevious',
  MergedWithNext: 'mergedWithNext',
  Contiguous: 'contiguous',
};

/** The character that Metaspace writes for a space where it names no other. */
const WORD_MARK = '\u2581';

export interface PreTokenizerSteps {
  steps: NativePieceStep[];
  /** Whether the symbols of the model are bytes. */
  isByteLevel: boolean;
}

/** Throws ERR_FORMAT for a step that is not supported. */
export function readPreTokenizer(reader: FileReader, value: JsonValue | undefined): PreTokenizerSteps {
  const listed = reader.steps(value, 'pre_tokenizer', 'pretokenizers');
  const byteLevel = listed.findIndex(({ type }) => type === 'ByteLevel');
  const steps = listed.flatMap((step, i) => {
    // What follows sees the characters that spell the bytes.
    const spell = i === byteLevel && i + 1 < listed.length ? [pieceStep('spell')] : [];
    if (i > byteLevel && step.type === 'ByteLevel') reader.unsupported('a second ByteLevel pre_tokenizer');
    return [...readStep(reader, step), ...spell];
  });
  if (byteLevel >= 0 && listed.slice(byteLevel).some(({ type }) => type === 'Metaspace')) {
    reader.unsupported('the pre_tokenizer "Metaspace" after ByteLevel');
  }
  return { steps: withoutIdle(steps), isByteLevel: byteLevel >= 0 };
}

/** GPT-2's pattern after itself changes nothing: it cuts each of its pieces at its ends. */
function withoutIdle(steps: NativePieceStep[]): NativePieceStep[] {
  return steps.filter((step, i) => {
    const before = steps[i - 1];
    return !(
      step.kind === 'pattern' &&
      step.named === 'gpt2' &&
      before?.kind === 'pattern' &&
      before.named === 'gpt2'
    );
  });
}

function readStep(reader: FileReader, step: JsonObject): NativePieceStep[] {
  switch (step.type) {
    case 'Split':
      return [readSplit(reader, step)];
    case 'ByteLevel':
      return [
        ...(reader.boolean(step.add_prefix_space, 'add_prefix_space', true)
          ? [pieceStep('prefix', { text: ' ' })]
          : []),
        ...(reader.boolean(step.use_regex, 'use_regex', true)
          ? [pieceStep('pattern', { named: 'gpt2' })]
          : []),
      ];
    case 'Digits': {
      const isEach = reader.boolean(step.individual_digits, 'individual_digits', false);
      return [pieceStep('numeric', { behavior: isEach ? 'isolated' : 'contiguous' })];
    }
    case 'Punctuation':
      return [pieceStep('punctuation', { behavior: behaviorOf(reader, step.behavior ?? 'Isolated') })];
    case 'WhitespaceSplit':
      return [pieceStep('space', { behavior: 'removed' })];
    case 'Whitespace':
      return [pieceStep('words', { behavior: 'removed', invert: true })];
    case 'CharDelimiterSplit': {
      const text = reader.string(step.delimiter, 'the delimiter of CharDelimiterSplit');
      return [pieceStep('literal', { text, behavior: 'removed' })];
    }
    case 'Metaspace':
      return readMetaspace(reader, step);
    default:
      return reader.unsupported(`the pre_tokenizer ${quoted(step.type ?? step)}`);
  }
}

function behaviorOf(reader: FileReader, value: JsonValue | undefined): SplitBehavior {
  if (typeof value === 'string' && Object.hasOwn(behaviors, value)) return behaviors[value]!;
  return reader.unsupported(`the behavior ${quoted(value)}`);
}

function readSplit(reader: FileReader, step: JsonObject): NativePieceStep {
  const { text, literal } = reader.pattern(step.pattern, 'the pattern of Split');
  const behavior = behaviorOf(reader, step.behavior);
  const invert = reader.boolean(step.invert, 'invert', false);
  if (literal) return pieceStep('literal', { text, behavior, invert });
  const named = patternOfExpression(text);
  // These match everywhere.
  if (named !== undefined && behavior === 'isolated') return pieceStep('pattern', { named });
  return pieceStep('regex', { text, behavior, invert });
}

function readMetaspace(reader: FileReader, step: JsonObject): NativePieceStep[] {
  const mark = reader.string(step.replacement ?? WORD_MARK, 'the replacement of Metaspace');
  const steps = [pieceStep('replace', { text: ' ', content: mark })];
  // Older files have add_prefix_space.
  const scheme = step.add_prefix_space === false ? 'never' : (step.prepend_scheme ?? 'always');
  if (scheme === 'always') steps.push(pieceStep('prefix', { text: mark }));
  else if (scheme === 'first') steps.push(pieceStep('firstPrefix', { text: mark }));
  else if (scheme !== 'never') reader.unsupported(`the prepend_scheme ${quoted(scheme)}`);
  if (reader.boolean(step.split, 'split', true)) {
    steps.push(pieceStep('literal', { text: mark, behavior: 'mergedWithNext' }));
  }
  return steps;
}
