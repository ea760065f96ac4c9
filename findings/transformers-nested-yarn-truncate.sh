#!/usr/bin/env bash
# transformers 5.18.0 ignores `truncate` of YaRN where `rope_parameters` has an object for each type
# of layer, as OLMo 3 and Gemma 3 have. The object of a model with one type of layer is read. So the
# same numbers, moved one level down, give other frequencies: those of `truncate: true`. Whoever
# writes such a folder cannot ask for the frequencies of gpt-oss's YaRN there.
# Exits with 1 if a later install shows other behaviour.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.18.0 numpy
cat > "$folder/show.py" <<'PY'
import sys

from transformers import LlamaConfig, LlamaForCausalLM, Olmo3Config, Olmo3ForCausalLM

SIZES = dict(
    vocab_size=40, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
    intermediate_size=16, max_position_embeddings=256, eos_token_id=1, pad_token_id=None,
)


def yarn(truncate):
    return {
        "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
        "original_max_position_embeddings": 64, "truncate": truncate,
    }


def flat(truncate):
    model = LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=yarn(truncate)))
    return model.model.rotary_emb.inv_freq


def nested(truncate):
    plain = {"rope_type": "default", "rope_theta": 10000.0}
    config = Olmo3Config(
        **SIZES,
        layer_types=["sliding_attention", "full_attention"],
        rope_parameters={"full_attention": yarn(truncate), "sliding_attention": plain},
    )
    return Olmo3ForCausalLM(config).model.rotary_emb.full_attention_inv_freq


changed = {make.__name__: int((make(True) != make(False)).sum()) for make in (flat, nested)}
print("frequencies that truncate changes, of 16:", changed)
sys.exit(0 if changed == {"flat": 4, "nested": 0} else 1)
PY
"$folder/venv/bin/python" "$folder/show.py"
