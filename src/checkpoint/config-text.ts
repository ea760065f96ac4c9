/**
 * config.json and generation_config.json as text. transformers 5 checks the types of fields, and
 * refuses 32 where a field is a float. JavaScript has one type of number, so the name of a field
 * tells which numbers are spelled 32.0.
 */
import type { JsonObject, JsonValue } from '../base/json.ts';

const floatNames = new Set([
  'attention_factor',
  'attention_multiplier',
  'attn_logit_softcapping',
  'beta_fast',
  'beta_slow',
  'embedding_multiplier',
  'factor',
  'final_logit_softcapping',
  'high_freq_factor',
  'initializer_range',
  'logits_scaling',
  'long_factor',
  'low_freq_factor',
  'min_p',
  'mscale',
  'mscale_all_dim',
  'partial_rotary_factor',
  'residual_multiplier',
  'rope_local_base_freq',
  'rope_theta',
  'rotary_emb_base',
  'rotary_pct',
  'router_aux_loss_coef',
  'router_jitter_noise',
  'router_z_loss_coef',
  'short_factor',
  'temperature',
  'top_p',
  'typical_p',
]);
const floatEndings = /_(eps|epsilon|dropout|pdrop|penalty|cutoff)$/;

function isFloat(key: string): boolean {
  return floatNames.has(key) || floatEndings.test(key);
}

/** The text of the object, indented by two spaces, with a newline at its end. */
export function configText(value: JsonObject): string {
  return `${spelled(value, '', '\n')}\n`;
}

/**
 * @param key the field that the value or its list belongs to
 * @param line a newline with the indentation of the value
 */
function spelled(value: JsonValue, key: string, line: string): string {
  if (typeof value === 'number' && isFloat(key)) return floatText(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const inner = `${line}  `;
  const parts = Array.isArray(value)
    ? value.map((element) => spelled(element, key, inner))
    : Object.entries(value).map(([name, field]) => `${JSON.stringify(name)}: ${spelled(field, name, inner)}`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  if (parts.length === 0) return `${open}${close}`;
  return `${open}${inner}${parts.join(`,${inner}`)}${line}${close}`;
}

function floatText(value: number): string {
  const text = JSON.stringify(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}
