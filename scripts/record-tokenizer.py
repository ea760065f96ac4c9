# Records what the Hugging Face trainer learns from a text of an installed package, for
# test/text/train.test.ts. Run in the repository root:
# pip install tokenizers==0.23.2 && python3 scripts/record-tokenizer.py
import hashlib
import json

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

SOURCE = "node_modules/node-gyp/CHANGELOG.md"
GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
VOCABULARY = 1256

with open(SOURCE, encoding="utf8", newline="") as file:
    text = file.read()
byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
splits = {
    "gpt2": pre_tokenizers.ByteLevel(add_prefix_space=False),
    "gpt4": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(GPT4), "isolated"), byte_level]),
}
record = {"source": SOURCE, "sha256": hashlib.sha256(text.encode()).hexdigest(), "vocabulary": VOCABULARY, "merges": {}}
for name, split in splits.items():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = split
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, min_frequency=2, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([text], trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    record["merges"][name] = [" ".join(pair) for pair in merges]
with open("test/text/fixtures/hugging-face-merges.json", "w", encoding="utf8") as file:
    json.dump(record, file, ensure_ascii=False)
    file.write("\n")
