#!/usr/bin/env bash
# tokenizers 0.23.2: in a post-processor Sequence of two TemplateProcessing steps, the second one gets
# the pieces of the first as if they were a pair of texts. So it applies its `pair` template, and not
# `single`: "<s> $A" followed by "$A </s>" puts both tokens in front of the text. With one step the
# ids are those that its `single` names. A reader that applies the two `single` templates in turn
# gives other ids.
# Exits with 1 if a later install shows other behaviour.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tokenizers==0.23.2
cat > "$folder/show.py" <<'PY'
import json
import sys

from tokenizers import Tokenizer


def step(single, pair):
    piece = {"A": {"Sequence": {"id": "A", "type_id": 0}}, "B": {"Sequence": {"id": "B", "type_id": 0}}}
    token = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [piece.get(name) or token(name) for name in single],
        "pair": [piece.get(name) or token(name) for name in pair],
        "special_tokens": {
            name: {"id": name, "ids": [number], "tokens": [name]}
            for name, number in (("<s>", 1), ("</s>", 2))
        },
    }


begin = step(["<s>", "A"], ["<s>", "A", "B"])
end = step(["A", "</s>"], ["A", "</s>", "B"])


def tokens(post_processor):
    return Tokenizer.from_str(
        json.dumps(
            {
                "version": "1.0",
                "added_tokens": [],
                "pre_tokenizer": {"type": "Whitespace"},
                "post_processor": post_processor,
                "model": {"type": "WordLevel", "vocab": {"text": 0, "<s>": 1, "</s>": 2}, "unk_token": "text"},
            }
        )
    ).encode("text").tokens


seen = {
    "begin": tokens(begin),
    "end": tokens(end),
    "begin, then end": tokens({"type": "Sequence", "processors": [begin, end]}),
}
print(json.dumps(seen))
expected = {
    "begin": ["<s>", "text"],
    "end": ["text", "</s>"],
    "begin, then end": ["<s>", "</s>", "text"],
}
sys.exit(seen != expected)
PY
"$folder/venv/bin/python" "$folder/show.py"
