"""Records small reward models as transformers writes them, whose score head has no bias, and what they score.

    python3 scripts/record-scoring.py [FOLDER]        # default: test/fixtures/torch

Developers run it when the fixtures have to change; no test does. It needs torch, transformers, safetensors.
FOLDER/<name>-score gets config.json and model.safetensors as save_pretrained writes them, and record.safetensors:
tokens i32 [12] and the score after them, f32 [1]. Arithmetic is f32 on one thread.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2ForSequenceClassification, LlamaConfig, LlamaForSequenceClassification

VOCABULARY, LENGTH = 31, 12
SHAPE = {"vocab_size": VOCABULARY, "num_labels": 1, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}

MODELS = {
    "gpt2-score": lambda: GPT2ForSequenceClassification(
        GPT2Config(n_positions=16, n_embd=24, n_layer=1, n_head=3, attn_implementation="eager", **SHAPE)
    ),
    "llama-score": lambda: LlamaForSequenceClassification(
        LlamaConfig(
            max_position_embeddings=16, hidden_size=24, num_hidden_layers=1, num_attention_heads=4,
            num_key_value_heads=2, head_dim=8, intermediate_size=32, attn_implementation="eager", **SHAPE,
        )
    ),
}  # fmt: skip


def record(name, folder):
    torch.manual_seed(4321)
    model = MODELS[name]().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    # Above the special tokens: a padding token would end the sequence early.
    tokens = torch.randint(3, VOCABULARY, (1, LENGTH))
    with torch.no_grad():
        score = model(tokens).logits[0]
    save_file({"tokens": tokens[0].to(torch.int32), "score": score.contiguous()}, folder / "record.safetensors")
    print(f"{folder.name}: score {score.item():.4f}")


def main():
    default = pathlib.Path(__file__).resolve().parent.parent / "test" / "fixtures" / "torch"
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    torch.set_num_threads(1)
    for name in MODELS:
        (root / name).mkdir(parents=True, exist_ok=True)
        record(name, root / name)


if __name__ == "__main__":
    main()
