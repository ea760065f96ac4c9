#!/usr/bin/env python3
"""Records which ids begin, end and pad a text by transformers, over generated model folders: the ids that `generate` uses,
and the tokens that the tokenizer names. `record-text-ends.py` rewrites test/checkpoint/fixtures/text-ends.json.

Needs torch and transformers. The folders are those of test/fixtures/torch and the tokenizer of test/text/fixtures/chat,
with other configuration files beside them. test/checkpoint/text-ends.test.ts writes the same folders."""
import itertools
import json
import random
import shutil
import tempfile
from pathlib import Path

import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

TESTS = Path(__file__).resolve().parent.parent / "test"
TARGET = TESTS / "checkpoint/fixtures/text-ends.json"
IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
NAMES = ("bos_token", "eos_token", "pad_token")
FAMILIES = ("gpt2", "llama", "qwen2", "qwen3", "smollm3")

# null removes a key of the recorded config.json; ids are below its vocabulary of 97.
CONFIGS = [
    {},
    {key: None for key in IDS},
    {"bos_token_id": 4, "eos_token_id": 5, "pad_token_id": 3},
    {"bos_token_id": None, "eos_token_id": [5, 6], "pad_token_id": None},
    {"eos_token_id": 5, "pad_token_id": 7},
]
GENERATION = [
    None,
    {},
    {"eos_token_id": 8},
    {"eos_token_id": [9, 8], "bos_token_id": 10},
    {"eos_token_id": None, "pad_token_id": 11},
    {"eos_token_id": [12], "pad_token_id": 13, "_from_model_config": True},
    {"temperature": 0.6, "do_sample": True},
]


def model_case(family, config, generation):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        source = TESTS / "fixtures/torch" / family
        shutil.copy(source / "model.safetensors", folder)
        fields = {**json.loads((source / "config.json").read_text()), **config}
        (folder / "config.json").write_text(json.dumps(fields))
        if generation is not None:
            (folder / "generation_config.json").write_text(json.dumps(generation))
        model = AutoModelForCausalLM.from_pretrained(folder)
        prepared, _ = model._prepare_generation_config(None)
        model._prepare_special_tokens(prepared, device="cpu")
        tensors = (prepared._bos_token_tensor, prepared._eos_token_tensor, prepared._pad_token_tensor)
        ids = [None if tensor is None else tensor.tolist() for tensor in tensors]
    return {"family": family, "config": config, "generation": generation, "ids": ids}


def added(id, content):
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    return {"id": id, "content": content, **flags, "special": True}


SPECIALS = ["<|endoftext|>", "<s>", "</s>", "<pad>", "<|im_end|>"]
CLASSES = [
    None,
    "GPT2Tokenizer",
    "GPT2TokenizerFast",
    "PreTrainedTokenizerFast",
    "TokenizersBackend",
    "Qwen2Tokenizer",
    "Qwen2TokenizerFast",
    "LlamaTokenizerFast",
    "GPTNeoXTokenizerFast",
    "RobertaTokenizer",
    "CohereTokenizerFast",
    "MadeUpTokenizer",
]


def named(rng, token, mark):
    """A token as files write it: in tokenizer_config.json an object has a mark of its type."""
    return token if rng.random() < 0.5 else {**mark, "content": token, "lstrip": False}


def tokenizer_case(rng):
    present = [token for token in SPECIALS if rng.random() < 0.75]
    files = {}
    if rng.random() < 0.9:
        config = {"model_max_length": 64}
        tokenizer_class = rng.choice(CLASSES)
        if tokenizer_class is not None:
            config["tokenizer_class"] = tokenizer_class
        for name in NAMES:
            value = rng.random()
            if value < 0.3 and present:
                config[name] = named(rng, rng.choice(present), {"__type": "AddedToken"})
            elif value < 0.4:
                config[name] = None
        # transformers 4 wrote all added tokens here; for GPT-2, tokens that tokenizer.json lacks too.
        if rng.random() < 0.4:
            listed = {str(300 + i): {"content": token, "special": True} for i, token in enumerate(present)}
            if rng.random() < 0.5:
                listed[str(300 + len(present))] = {"content": "<|late|>", "special": True}
                if rng.random() < 0.5:
                    config["pad_token"] = "<|late|>"
            config["added_tokens_decoder"] = listed
        files["tokenizer_config.json"] = config
    if rng.random() < 0.4 and present:
        special_map = {name: named(rng, rng.choice(present), {}) for name in NAMES if rng.random() < 0.5}
        files["special_tokens_map.json"] = special_map
    if rng.random() < 0.15:
        files["added_tokens.json"] = {"<|late|>": 300 + len(present)}
    family = rng.choice(FAMILIES)
    config = {"model_type": family}
    if rng.random() < 0.15:
        config["tokenizer_class"] = rng.choice(CLASSES[1:])
    files["config.json"] = config
    padding = None
    if rng.random() < 0.1 and present:
        padding = rng.choice(present)
    return {"added": present, "padding": padding, "files": files}


def tokenizer_answer(case):
    file = json.loads((TESTS / "text/fixtures/chat/tokenizer.json").read_text())
    file["added_tokens"] = [added(300 + i, content) for i, content in enumerate(case["added"])]
    if case["padding"] is not None:
        file["padding"] = {
            "strategy": "BatchLongest",
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 300 + case["added"].index(case["padding"]),
            "pad_type_id": 0,
            "pad_token": case["padding"],
        }
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name, content in {**case["files"], "tokenizer.json": file}.items():
            (folder / name).write_text(json.dumps(content))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokens = [tokenizer._special_tokens_map[name] for name in NAMES]
        ids = [tokenizer.convert_tokens_to_ids(str(token)) if token is not None else None for token in tokens]
        answer = [None if token is None else [str(token), id] for token, id in zip(tokens, ids)]
        return {"class": type(tokenizer).__name__, "named": answer}


def main():
    transformers.logging.set_verbosity_error()
    models = []
    for family, config, generation in itertools.product(FAMILIES, CONFIGS, GENERATION):
        # SmolLM3 without a pad id gets 128004, which transformers itself refuses for a small vocabulary.
        models.append(model_case(family, config, generation))
    rng = random.Random(5)
    tokenizers = []
    refused = 0
    while len(tokenizers) < 300:
        case = tokenizer_case(rng)
        try:
            tokenizers.append({**case, **tokenizer_answer(case)})
        except Exception as error:  # noqa: BLE001
            refused += 1
            print(type(error).__name__, str(error)[:150], json.dumps(case)[:400])
    TARGET.parent.mkdir(exist_ok=True)
    lines = {"models": models, "tokenizers": tokenizers}
    body = ",\n".join(
        f'"{key}": [\n' + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]"
        for key, cases in lines.items()
    )
    TARGET.write_text(f'{{"transformers": "{transformers.__version__}",\n{body}}}\n')
    print(f"{len(models)} models, {len(tokenizers)} tokenizers, {refused} refused by transformers")


main()
