/**
 * A model family as data: how a folder of Hugging Face describes and names the parts of a model.
 */
import type { JsonObject } from '../../base/json.ts';
import type { HeadKind, ModelConfig } from '../config.ts';
import type { ConfigFields } from './config-fields.ts';

export interface Family {
  /** `model_type` in config.json, and ModelConfig.architecture. */
  readonly name: string;
  /** The name in `architectures` of config.json, for each head. */
  readonly classNames: Readonly<Record<HeadKind, string>>;
  /** The class of the trunk alone. Default: the language model's, with `Model` at its end. */
  readonly trunkName?: string;
  /** Reads all fields except token ids. Throws ERR_FORMAT for an option that is not supported. */
  readonly readConfig: (fields: ConfigFields) => ModelConfig;
  /** The fields of this family; config-json.ts adds those that all families have. */
  readonly writeConfig: (config: ModelConfig) => JsonObject;
  readonly tensors: TensorNames;
}

/** How the tensors of model.safetensors are named. In-memory names are those of parameterShapes. */
export interface TensorNames {
  /** The first part of every name but the head's. Files of the bare model lack it. */
  readonly wrapper: string;
  /** Embeddings and final norm, after the wrapper, by in-memory name. */
  readonly trunk: Readonly<Record<string, string>>;
  /** The language model's head. Default: lm_head. */
  readonly head?: string;
  /** The prefix of the number of a layer: `layers` for `layers.0`. */
  readonly layers: string;
  /**
   * The parts of a block by in-memory name. A list names the tensors that the part is stacked from
   * (see stackedRows in config.ts).
   */
  readonly block: Readonly<Record<string, string | readonly string[]>>;
  /** Parts of a block whose weight is stored [in, out]. */
  readonly transposed: readonly string[];
  /** Parts whose rows are stored head by head: its query, its key, its value. */
  readonly headByHead?: readonly string[];
  /** Buffers that files may carry beside the weights. */
  readonly ignored: RegExp;
}
