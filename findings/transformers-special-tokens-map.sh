#!/usr/bin/env bash
# transformers 5.18.0 reads tokenizer_config.json and special_tokens_map.json of one folder in an order
# that depends on a third thing: a token named in special_tokens_map.json wins, unless
# tokenizer_config.json has `added_tokens_decoder`; then the map is not looked at. So a key that only
# lists tokens decides which token ends a text.
# Exits with 1 if a later install shows other behaviour.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.18.0
cat > "$folder/show.py" <<'PY'
import json
import os
import sys

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
from transformers import AutoTokenizer


def eos(folder, **fields):
    os.makedirs(folder)
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    names = ["<config>", "<map>"]
    files = {
        "tokenizer.json": {
            "version": "1.0",
            "added_tokens": [{"id": i, "content": name, **special} for i, name in enumerate(names)],
            "pre_tokenizer": {"type": "Whitespace"},
            "model": {"type": "WordLevel", "vocab": {"<config>": 0, "<map>": 1, "a": 2}, "unk_token": "a"},
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<config>", **fields,
        },
        "special_tokens_map.json": {"eos_token": "<map>"},
    }
    for name, content in files.items():
        with open(os.path.join(folder, name), "w") as file:
            json.dump(content, file)
    return AutoTokenizer.from_pretrained(folder).eos_token


place = sys.argv[1]
decoder = {
    str(i): {
        "content": name, "lstrip": False, "normalized": False, "rstrip": False,
        "single_word": False, "special": True,
    }
    for i, name in enumerate(["<config>", "<map>"])
}
seen = {
    "plain": eos(os.path.join(place, "plain")),
    "with added_tokens_decoder": eos(os.path.join(place, "decoder"), added_tokens_decoder=decoder),
}
print(json.dumps(seen))
sys.exit(seen != {"plain": "<map>", "with added_tokens_decoder": "<config>"})
PY
"$folder/venv/bin/python" "$folder/show.py" "$folder"
