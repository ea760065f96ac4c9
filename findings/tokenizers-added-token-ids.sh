#!/usr/bin/env bash
# tokenizers 0.23.2 does not read the `id` of an entry of `added_tokens` in tokenizer.json, unless the
# vocabulary of the model has that token. The k-th token that it lacks gets the id of the vocabulary's
# size plus k, even where the vocabulary has larger ids. And of a merge that the file lists twice, the
# last place decides.
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


def tokenizer(vocab, merges, added=()):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return Tokenizer.from_str(
        json.dumps(
            {
                "version": "1.0",
                "added_tokens": [{"id": number, "content": name, **flags} for name, number in added],
                "model": {"type": "BPE", "vocab": vocab, "merges": merges},
            }
        )
    )


small = tokenizer({"a": 0, "b": 1, "c": 9}, [], [("<y>", 50), ("<z>", 40)])
letters = {"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4}
once = tokenizer(letters, ["a b", "b c"])
twice = tokenizer(letters, ["a b", "b c", "a b"])
seen = {
    "<y> (id 50)": small.token_to_id("<y>"),
    "<z> (id 40)": small.token_to_id("<z>"),
    "abc": once.encode("abc").tokens,
    "abc, a b again at the end": twice.encode("abc").tokens,
}
print(json.dumps(seen))
expected = {
    "<y> (id 50)": 3,
    "<z> (id 40)": 4,
    "abc": ["ab", "c"],
    "abc, a b again at the end": ["a", "bc"],
}
sys.exit(seen != expected)
PY
"$folder/venv/bin/python" "$folder/show.py"
