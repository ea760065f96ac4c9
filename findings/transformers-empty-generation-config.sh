#!/usr/bin/env bash
# transformers 5.18.0 takes the tokens that end a text from generation_config.json alone once the
# folder has that file, even if it holds nothing but {}. The eos_token_id of config.json is then not
# used for generation, so such a model writes on to the limit of tokens. Without the file the ids of
# config.json count. A tool that writes sampling defaults into a new generation_config.json has to
# copy the ids as well.
# Exits with 1 if a later install shows other behaviour.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.18.0 numpy
cat > "$folder/show.py" <<'PY'
import pathlib
import sys

from transformers import LlamaConfig, LlamaForCausalLM

folder = pathlib.Path(sys.argv[1]) / "model"
config = LlamaConfig(
    vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
    intermediate_size=16, bos_token_id=1, eos_token_id=7,
)
LlamaForCausalLM(config).save_pretrained(folder)
file = folder / "generation_config.json"


def end():
    model = LlamaForCausalLM.from_pretrained(folder)
    return model.config.eos_token_id, model.generation_config.eos_token_id


file.unlink()
without = end()
file.write_text("{}")
seen = {"without the file": without, "with {}": end()}
print("eos of config.json and of generation:", seen)
sys.exit(0 if seen == {"without the file": (7, 7), "with {}": (7, None)} else 1)
PY
"$folder/venv/bin/python" "$folder/show.py" "$folder"
