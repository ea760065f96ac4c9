# Records what transformers puts around texts, for test/text/post-processor.test.ts. Run in the
# repository root: pip install transformers==5.18.0 jinja2 && python3 scripts/record-post-processor.py
import json
import os
import tempfile

from tokenizers import Tokenizer
from transformers import AutoTokenizer

BASE = "test/text/fixtures/chat/tokenizer.json"
TEXTS = ["Hello, world", "", "two\nlines ", "<s> spelled"]

with open(BASE, encoding="utf8") as file:
    base = json.load(file)
first = max(base["model"]["vocab"].values()) + 1
names = begin, end, other = "<s>", "</s>", "<other>"
ids = {name: first + i for i, name in enumerate(names)}
flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
base["added_tokens"] = [{"id": id, "content": name, **flags} for name, id in ids.items()]


def piece(name):
    return {"SpecialToken": {"id": name, "type_id": 0}}


def template(*single, tokens=None):
    named = {name: {"id": name, "ids": [ids[name]], "tokens": [name]} for name in names}
    return {"type": "TemplateProcessing", "single": list(single), "pair": list(single) + [B], "special_tokens": tokens or named}


A = {"Sequence": {"id": "A", "type_id": 0}}
B = {"Sequence": {"id": "B", "type_id": 1}}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
two = {"both": {"id": "both", "ids": [ids[begin], ids[other]], "tokens": [begin, other]}}
processors = {
    "none": None,
    "bytes": BYTES,
    "begin": template(piece(begin), A),
    "llama 3": {"type": "Sequence", "processors": [BYTES, template(piece(begin), A)]},
    "begin and end": template(piece(begin), A, piece(end)),
    "two at once": template(piece("both"), A, tokens=two),
    "only the text": template(A),
    "roberta": {"type": "RobertaProcessing", "sep": [end, ids[end]], "cls": [begin, ids[begin]], "trim_offsets": True, "add_prefix_space": False},
    "bert": {"type": "BertProcessing", "sep": [end, ids[end]], "cls": [begin, ids[begin]]},
}
configs = {
    "": {},
    "add_bos_token": {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": begin, "eos_token": end, "add_bos_token": True, "add_eos_token": True},
    "no add_bos_token": {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": begin, "eos_token": end, "add_bos_token": False},
}
cases = []
for name, processor in processors.items():
    for config_name, config in configs.items():
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf8") as file:
                json.dump({**base, "post_processor": processor}, file)
            with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf8") as file:
                json.dump({"tokenizer_class": "PreTrainedTokenizerFast", **config}, file)
            tokenizer = AutoTokenizer.from_pretrained(folder)
            # Text that spells a special token is ordinary text to athanor by default.
            rows = [tokenizer(text, split_special_tokens=True)["input_ids"] for text in TEXTS]
        cases.append({"name": f"{name} {config_name}".strip(), "post_processor": processor, "config": config, "ids": rows})
with open("test/text/fixtures/post-processors.json", "w", encoding="utf8") as file:
    json.dump({"added_tokens": base["added_tokens"], "texts": TEXTS, "cases": cases}, file, ensure_ascii=False)
    file.write("\n")
