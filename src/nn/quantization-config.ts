/** `quantization_config` of config.json: how weights in eight bits are stored. */
import { AthanorError } from '../base/errors.ts';
import { quoted } from '../base/json.ts';
import type { ConfigFields } from './families/config-fields.ts';

/** Weights in f8 with scales beside them. */
export interface StoredQuantization {
  /** Rows and columns of a block with one scale; undefined where the scales' shapes tell. */
  blocks: readonly [rows: number, columns: number] | undefined;
}

const REMEDY =
  'supported: fp8, and f8 weights of compressed-tensors; take the model in one of these or unquantized, or let transformers dequantize it (model.dequantize()) and write it with save_pretrained';

/**
 * Reads the field. Read are `fp8` (DeepSeek, Qwen3) and f8 weights of `compressed-tensors`. Throws
 * ERR_FORMAT with the name of any other method.
 */
export function readQuantization(fields: ConfigFields): StoredQuantization | undefined {
  const config = fields.object('quantization_config');
  if (config === undefined) return undefined;
  const method = config.value('quant_method');
  if (method === 'fp8') {
    config.only('fmt', 'e4m3', 'float8_e4m3fn');
    return { blocks: blocksOf(config, 'weight_block_size') };
  }
  if (method !== 'compressed-tensors')
    throw refused(config.path, method === undefined ? config.json : method);
  return readCompressed(config);
}

/** All groups must have f8 weights; how activations are rounded is not applied. */
function readCompressed(config: ConfigFields): StoredQuantization {
  const groups = Object.keys(config.object('config_groups')?.json ?? {});
  const weights = groups.map((name) => config.object('config_groups')?.object(name)?.object('weights'));
  const isF8 = (one: ConfigFields | undefined) =>
    one?.value('type') === 'float' && one.value('num_bits') === 8;
  const first = weights[0];
  if (first === undefined || !weights.every(isF8)) {
    throw refused(config.path, `compressed-tensors (${String(config.value('format') ?? 'unknown')})`);
  }
  return { blocks: blocksOf(first, 'block_structure') };
}

function blocksOf(fields: ConfigFields, key: string): StoredQuantization['blocks'] {
  const [rows, columns, ...others] = fields.numbers(key) ?? [];
  if (rows === undefined) return undefined;
  const isSize = (size: number | undefined) => Number.isSafeInteger(size) && size! > 0;
  if (!isSize(rows) || !isSize(columns) || others.length > 0) {
    fields.fail(`expected ${key} to be two sizes but it is ${quoted(fields.value(key))}`);
  }
  return [rows, columns!];
}

function refused(path: string, method: Parameters<typeof quoted>[0]): AthanorError {
  return new AthanorError('ERR_FORMAT', `${path}: weights of ${quoted(method)} are not supported`, REMEDY);
}
