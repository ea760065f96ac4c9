#!/usr/bin/env bash
# tokenizers 0.23.2 gives an added token with `normalized: true` another text than the one it was
# added with: id_to_token and encode name the normalized text, which token_to_id does not know. So
# names do not survive the way from id to text and back, and a tool that looks up the ids of tokens by
# the names that encode shows finds none.
# Exits with 1 if a later install shows other behaviour.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tokenizers==0.23.2
cat > "$folder/show.py" <<'PY'
import sys

from tokenizers import AddedToken, Tokenizer, models, normalizers

tokenizer = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
tokenizer.normalizer = normalizers.NFKC()
ligature = "\ufb01re"
tokenizer.add_tokens([AddedToken(ligature, normalized=True)])
seen = {
    "id of the name given": tokenizer.token_to_id(ligature),
    "name of that id": tokenizer.id_to_token(1),
    "encoded": tokenizer.encode(ligature).tokens,
    "id of that name": tokenizer.token_to_id("fire"),
}
print(seen)
sys.exit(0 if list(seen.values()) == [1, "fire", ["fire"], None] else 1)
PY
"$folder/venv/bin/python" "$folder/show.py"
