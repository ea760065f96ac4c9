#!/usr/bin/env bash
# spacy.blank("en") of spaCy 3.8.16, whose words datatrove counts and hashes, divides some plain
# lower-case words, because its special cases of contractions also stand without the apostrophe:
# "wed" is "we" and "d", "id" is "i" and "d", "hes" is "he" and "s". Upper case stays whole, so the
# shingles of a text depend on whether it was lower-cased before it was divided.
# Exits with 1 if a later install shows other behaviour.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check spacy==3.8.16
cat > "$folder/show.py" <<'PY'
import json
import sys

import spacy

words = spacy.blank("en").tokenizer
seen = {text: [str(word) for word in words(text)] for text in ("they wed", "the id", "hes here", "WED ID")}
print(json.dumps(seen))
expected = {
    "they wed": ["they", "we", "d"],
    "the id": ["the", "i", "d"],
    "hes here": ["he", "s", "here"],
    "WED ID": ["WED", "ID"],
}
sys.exit(seen != expected)
PY
"$folder/venv/bin/python" "$folder/show.py"
