"""Opens model folders in transformers and, given two, compares what they compute.

    python3 scripts/check-transformers.py FOLDER [REFERENCE]

Fails when transformers misses a tensor, does not know one, finds one of the wrong shape, or changes a value on loading;
and, with REFERENCE (a folder of the same model), when the logits of the two differ in any bit. transformers' score heads
have no bias: ours is an extra tensor that it reports and skips, and is the only one allowed.

Where the folder has a tokenizer, AutoTokenizer must give the ids of tokenizer.json for each of its special tokens and for
text between them, pad a batch if a token pads, and mark the assistant's tokens if the chat template has generation marks.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer


def open_folder(folder):
    architecture = AutoConfig.from_pretrained(folder).architectures[0]
    scores = architecture.endswith("ForSequenceClassification")
    loader = AutoModelForSequenceClassification if scores else AutoModelForCausalLM
    model, info = loader.from_pretrained(folder, output_loading_info=True, dtype="auto")
    if scores and set(info["unexpected_keys"]) == {"score.bias"}:
        print(f"{folder}: transformers skips score.bias, so its scores are without it")
        info["unexpected_keys"] = []
    problems = {key: value for key, value in info.items() if value}
    if problems:
        sys.exit(f"{folder}: {problems}")
    weights = Path(folder, "model.safetensors")
    stored = load_file(weights) if weights.exists() else {}
    loaded = model.state_dict()
    rounded = [name for name, value in stored.items() if name in loaded and not same_values(loaded[name], value)]
    if rounded:
        sys.exit(f"{folder}: transformers changes the values of {rounded}")
    if type(model).__name__ != architecture:
        sys.exit(f"{folder}: opened as {type(model).__name__}, not {architecture}")
    return model.eval()


def same_values(a, b):
    return torch.equal(a.double(), b.double())


def check_tokenizer(folder):
    path = Path(folder, "tokenizer.json")
    if not path.exists():
        return
    file, tokenizer = Tokenizer.from_file(str(path)), AutoTokenizer.from_pretrained(folder)
    special = [token.content for token in file.get_added_tokens_decoder().values()]
    texts = ["Hi, it's 1234  degrees\n\nin Grün"] + [f"{token}Hi, there{token} and more" for token in special]
    for text in texts:
        expected = file.encode(text, add_special_tokens=False).ids
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if ids != expected:
            sys.exit(f"{folder}: {text!r} is {ids} by {type(tokenizer).__name__} and {expected} by tokenizer.json")
    if len(tokenizer) != file.get_vocab_size():
        sys.exit(f"{folder}: {type(tokenizer).__name__} adds tokens to the {file.get_vocab_size()} of tokenizer.json")
    notes = [f"{len(special)} special tokens"]
    if tokenizer.pad_token is not None:
        tokenizer(["a", "a longer text"], padding=True)
        notes.append(f"pads with {tokenizer.pad_token}")
    if tokenizer.chat_template and "generation" in tokenizer.chat_template.replace("add_generation_prompt", ""):
        messages = [{"role": "user", "content": "Sky?"}, {"role": "assistant", "content": "Blue."}]
        marked = tokenizer.apply_chat_template(messages, return_assistant_tokens_mask=True, return_dict=True)
        answer = [id for id, mask in zip(marked["input_ids"], marked["assistant_masks"]) if mask]
        if not answer:
            sys.exit(f"{folder}: the chat template marks no token of the assistant")
        notes.append(f"marks {tokenizer.decode(answer)!r} of an answer")
    print(f"{folder}: {type(tokenizer).__name__} reads tokenizer.json, {', '.join(notes)}")


def logits_of(model):
    config = model.config
    length = min(24, config.max_position_embeddings)
    generator = torch.Generator().manual_seed(7)
    # One sequence: scoring several needs a padding token.
    tokens = torch.randint(0, config.vocab_size, (1, length), generator=generator)
    with torch.no_grad():
        return model(tokens).logits


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    first = open_folder(sys.argv[1])
    logits = logits_of(first)
    if not torch.isfinite(logits).all():
        sys.exit(f"{sys.argv[1]}: logits are not finite")
    print(f"{sys.argv[1]}: {type(first).__name__}, {first.dtype}, logits {tuple(logits.shape)}")
    check_tokenizer(sys.argv[1])
    if len(sys.argv) == 3:
        reference = logits_of(open_folder(sys.argv[2]))
        if not torch.equal(logits, reference):
            difference = (logits.float() - reference.float()).abs().max().item()
            sys.exit(f"logits differ from those of {sys.argv[2]} by up to {difference}")
        print(f"same bits as {sys.argv[2]}")


if __name__ == "__main__":
    main()
