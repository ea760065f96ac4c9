/** The `normalizer` of a tokenizer.json as steps of the engine. */
import { type JsonObject, type JsonValue, quoted } from '../base/json.ts';
import type { NativeNormalizerStep } from '../native/binding/text.ts';
import type { FileReader } from './file-reader.ts';
import { normalizerStep } from './pipeline.ts';

/** Kinds without settings. */
const plain: Readonly<Record<string, NativeNormalizerStep['kind']>> = {
  NFC: 'nfc',
  NFD: 'nfd',
  NFKC: 'nfkc',
  NFKD: 'nfkd',
  Lowercase: 'lowercase',
  StripAccents: 'stripAccents',
};

/** Throws ERR_FORMAT for a normalizer that is not supported. */
export function readNormalizer(reader: FileReader, value: JsonValue | undefined): NativeNormalizerStep[] {
  return reader.steps(value, 'normalizer', 'normalizers').map((step) => readStep(reader, step));
}

function readStep(reader: FileReader, step: JsonObject): NativeNormalizerStep {
  const kind =
    typeof step.type === 'string' && Object.hasOwn(plain, step.type) ? plain[step.type] : undefined;
  if (kind !== undefined) return normalizerStep(kind);
  switch (step.type) {
    case 'Strip':
      return normalizerStep('strip', {
        left: reader.boolean(step.strip_left, 'strip_left', true),
        right: reader.boolean(step.strip_right, 'strip_right', true),
      });
    case 'Replace': {
      const { text, literal } = reader.pattern(step.pattern, 'the pattern of Replace');
      const content = reader.string(step.content, 'the content of Replace');
      return normalizerStep('replace', { pattern: text, literal, content });
    }
    case 'Prepend':
      return normalizerStep('prepend', { content: reader.string(step.prepend, 'the text of Prepend') });
    default:
      return reader.unsupported(`the normalizer ${quoted(step.type ?? step)}`);
  }
}
