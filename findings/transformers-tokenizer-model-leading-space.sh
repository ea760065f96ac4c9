#!/usr/bin/env bash
# transformers 5.18.0 reads a tokenizer.model of sentencepiece 0.2.2 where a folder has no
# tokenizer.json, and the two then disagree on texts that begin with a space. sentencepiece puts its
# mark before every text, so " lead" is a lone mark and then "lead" with its mark. transformers puts
# the mark only where the text does not begin with a space already, so one space is lost: " lead" and
# "lead" have the same ids. Texts without a space at the beginning are equal, inner runs too. A test
# of trimmed texts does not show it.
# Exits with 1 if a later install shows other behaviour.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.18.0 sentencepiece==0.2.2 protobuf==7.36.2
cat > show.py <<'PY'
import json
import os

import sentencepiece
from transformers import AutoTokenizer

lines = [
    'The river runs past the old mill and the children lead the horses home.',
    'She will lead the choir while he plays the organ on Sunday.',
    'Many roads lead to the market where the farmers sell their grain.',
]
os.mkdir('model')
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(lines * 20), model_prefix='model/tokenizer', vocab_size=130,
    model_type='bpe', normalization_rule_name='identity', remove_extra_whitespaces=False,
    minloglevel=2)
with open('model/tokenizer_config.json', 'w') as file:
    json.dump({'tokenizer_class': 'LlamaTokenizer', 'add_bos_token': False}, file)
with open('model/config.json', 'w') as file:
    json.dump({'model_type': 'llama'}, file)
owner = sentencepiece.SentencePieceProcessor(model_file='model/tokenizer.model')
reader = AutoTokenizer.from_pretrained('model')
seen = {}
for text in ['lead', ' lead', '  lead', 'river  runs']:
    ids = reader(text, add_special_tokens=False)['input_ids']
    seen[text] = [owner.encode(text, out_type=str), reader.convert_ids_to_tokens(ids)]
print(json.dumps(seen, ensure_ascii=False))
mark = '\u2581'
expected = {
    'lead': [[mark + 'lead'], [mark + 'lead']],
    ' lead': [[mark, mark + 'lead'], [mark + 'lead']],
    '  lead': [[mark, mark, mark + 'lead'], [mark, mark + 'lead']],
    'river  runs': [[mark + 'river', mark, mark + 'runs'], [mark + 'river', mark, mark + 'runs']],
}
assert seen == expected, 'the behaviour has changed'
PY
venv/bin/python show.py
