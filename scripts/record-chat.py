#!/usr/bin/env python3
"""Records what transformers makes of dialogues with the chat templates of test/text/fixtures/chat: the text and the ids,
with and without the prompt for an answer. `record-chat.py` rewrites tokenizer.json and renders.json there.

Needs transformers, tokenizers and jinja2."""
import json
import sys
from pathlib import Path

import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

FOLDER = Path(__file__).resolve().parent.parent / "test/text/fixtures/chat"

SYSTEM = {"role": "system", "content": "Be brief."}
DIALOGUES = [
    [{"role": "user", "content": "Name a colour."}, {"role": "assistant", "content": "Blue."}],
    [
        SYSTEM,
        {"role": "user", "content": "  Name a colour,\nplease  "},
        {"role": "assistant", "content": "Blue.\n\n- or red\n"},
        {"role": "user", "content": "Une autre? 日本語 🙂"},
        {"role": "assistant", "content": "Grün, don't you think?"},
    ],
]


def base_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    texts = ["Name a colour. Blue. Be brief. user assistant system model Grün"] * 20
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def record(name: str, tokens: dict) -> list:
    inner = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    special = [tokens[key] for key in ("bos", "eos") if key in tokens] + tokens["special"]
    inner.add_special_tokens(special)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token=tokens.get("bos"), eos_token=tokens["eos"], clean_up_tokenization_spaces=False
    )
    tokenizer.chat_template = (FOLDER / f"{name}.jinja").read_text()
    rows = []
    for dialogue in DIALOGUES:
        if name == "gemma":  # It refuses system messages.
            dialogue = [message for message in dialogue if message["role"] != "system"]
        for messages, prompt in ((dialogue[:-1], True), (dialogue, False)):
            options = {"add_generation_prompt": prompt}
            text = tokenizer.apply_chat_template(messages, tokenize=False, **options)
            ids = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False, **options)
            rows.append({"messages": messages, "prompt": prompt, "text": text, "ids": ids})
    return rows


def main() -> None:
    base_tokenizer().save(str(FOLDER / "tokenizer.json"))
    templates = json.loads((FOLDER / "templates.json").read_text())
    renders = {name: record(name, tokens) for name, tokens in templates.items()}
    text = json.dumps({"transformers": transformers.__version__, "renders": renders}, ensure_ascii=False)
    (FOLDER / "renders.json").write_text(text + "\n")
    print(f"{sum(map(len, renders.values()))} renders of {len(renders)} templates", file=sys.stderr)


main()
