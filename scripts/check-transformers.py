"""Opens model folders in transformers and, given two, compares what they compute.

    python3 scripts/check-transformers.py FOLDER [REFERENCE]

Fails when transformers misses a tensor, does not know one, or finds one of the wrong shape; and, with REFERENCE (a
folder of the same model), when the logits of the two differ in any bit. transformers' score heads have no bias: ours
is an extra tensor that it reports and skips, and is the only one allowed.
"""

import sys

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification


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
    if type(model).__name__ != architecture:
        sys.exit(f"{folder}: opened as {type(model).__name__}, not {architecture}")
    return model.eval()


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
    if len(sys.argv) == 3:
        reference = logits_of(open_folder(sys.argv[2]))
        if not torch.equal(logits, reference):
            difference = (logits.float() - reference.float()).abs().max().item()
            sys.exit(f"logits differ from those of {sys.argv[2]} by up to {difference}")
        print(f"same bits as {sys.argv[2]}")


if __name__ == "__main__":
    main()
