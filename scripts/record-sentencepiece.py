"""Trains small models of SentencePiece and records their ids: test/text/fixtures/sentencepiece has a tokenizer.model for each,
and digests.json with the SHA-256 of the ids of the texts of record-tokenizer-families.py, in blocks.

    python scripts/record-sentencepiece.py

Needs sentencepiece 0.2.2 and tokenizers. Run in the repository root.
"""

import hashlib
import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import sentencepiece

OUT = Path("test/text/fixtures/sentencepiece")
spec = importlib.util.spec_from_file_location("families", "scripts/record-tokenizer-families.py")
families = importlib.util.module_from_spec(spec)
spec.loader.exec_module(families)
COMMON = dict(vocab_size=1200, model_type="bpe", byte_fallback=True, split_digits=True, normalization_rule_name="identity",
              remove_extra_whitespaces=False, character_coverage=0.995, allow_whitespace_only_pieces=True, max_sentence_length=10000,
              num_threads=1, minloglevel=2)
MODELS = {
    # As Llama 2, Mistral and Phi-3 have them, and as Gemma does.
    "llama": {},
    "gemma": dict(add_dummy_prefix=False, user_defined_symbols=["<start_of_turn>", "<end_of_turn>", "\n\n"], pad_id=0, eos_id=1,
                  bos_id=2, unk_id=3),
    "unknown": dict(byte_fallback=False, vocab_size=900),
    # These are refused.
    "unigram": dict(model_type="unigram", vocab_size=600),
    "spaces": dict(remove_extra_whitespaces=True, vocab_size=600),
}


def lines():
    for source in families.SOURCES:
        yield from Path(source).read_text(encoding="utf8").split("\n")
    yield from texts[:300]


texts = list(families.texts(list(families.pieces())))
OUT.mkdir(exist_ok=True)
digests = {}
for name, settings in MODELS.items():
    model = io.BytesIO()
    source = (line.replace("\0", "") for line in lines() if line.strip())
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=source, model_writer=model, **{**COMMON, **settings})
    (OUT / f"{name}.model").write_bytes(model.getvalue())
    if name in ("unigram", "spaces"):
        continue
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    digests[name] = []
    for begin in range(0, len(texts), families.BLOCK):
        sha = hashlib.sha256()
        for text in texts[begin : begin + families.BLOCK]:
            ids = processor.encode(text)
            sha.update(np.array([len(ids), *ids], "<i4").tobytes())
        digests[name].append(sha.hexdigest()[:16])
(OUT / "digests.json").write_text(json.dumps(digests, indent=1) + "\n")
