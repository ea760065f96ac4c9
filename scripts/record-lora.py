"""Records what PyTorch computes for the small models of test/fixtures/torch with LoRA adapters on every projection.

    python3 scripts/record-lora.py [FOLDER]        # default: test/fixtures/torch

Developers run it after scripts/record-torch.py; no test does. It needs torch, transformers, safetensors. Beside each
model FOLDER/<name>/lora.safetensors gets, under Athanor's names,
    blocks.0.attention.qkv.lora_a, ….lora_b     f32 [4, in] and [out, 4]
    grad.<the same>                             gradients of the mean loss of the first recorded batch
    logits, loss                                of that batch
Each projection computes what PEFT's lora.Linear does, base(x) + lora_B(lora_A(x)) * alpha / rank, alpha 10 and rank 4;
one A serves the projections that Athanor keeps fused (q, k, v; gate, up), each of which has its rows of B.
"""

import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

RANK, ALPHA = 4, 10
GPT2 = {
    "attention.qkv": ["attn.c_attn"],
    "attention.output": ["attn.c_proj"],
    "mlp.up": ["mlp.c_fc"],
    "mlp.down": ["mlp.c_proj"],
}
LLAMA = {
    "attention.qkv": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "attention.output": ["self_attn.o_proj"],
    "mlp.gate_up": ["mlp.gate_proj", "mlp.up_proj"],
    "mlp.down": ["mlp.down_proj"],
}


def width(layer):
    """Inputs and outputs; a Conv1D is stored [in, out]."""
    shape = layer.weight.shape
    return tuple(shape) if type(layer).__name__ == "Conv1D" else (shape[1], shape[0])


def attach(layers, a, b):
    start = 0
    for layer in layers:
        rows = slice(start, start + width(layer)[1])
        start = rows.stop
        layer.register_forward_hook(
            lambda _, inputs, output, rows=rows: output + inputs[0] @ a.T @ b[rows].T * (ALPHA / RANK)
        )


def record(folder, places, blocks):
    torch.manual_seed(99)
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    adapters = {}
    for index, block in enumerate(blocks(model)):
        for path, names in places.items():
            layers = [block.get_submodule(name) for name in names]
            a = (0.3 * torch.randn(RANK, width(layers[0])[0])).requires_grad_()
            b = (0.1 * torch.randn(sum(width(layer)[1] for layer in layers), RANK)).requires_grad_()
            attach(layers, a, b)
            adapters[f"blocks.{index}.{path}.lora_a"] = a
            adapters[f"blocks.{index}.{path}.lora_b"] = b
    recorded = load_file(folder / "record.safetensors")
    tokens, targets = recorded["tokens"][0].long(), recorded["targets"][0].long()
    logits = model(tokens).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    loss.backward()
    moved = (logits - recorded["logits"]).abs().max().item()
    print(f"{folder.name}: loss {loss.item():.4f}, logits moved by up to {moved:.2f}")
    tensors = {name: value.detach() for name, value in adapters.items()}
    tensors |= {f"grad.{name}": value.grad for name, value in adapters.items()}
    tensors |= {"logits": logits.detach().contiguous(), "loss": loss.detach()}
    save_file(tensors, folder / "lora.safetensors")


def main():
    default = pathlib.Path(__file__).resolve().parent.parent / "test" / "fixtures" / "torch"
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    record(root / "gpt2", GPT2, lambda model: model.transformer.h)
    record(root / "llama", LLAMA, lambda model: model.model.layers)


if __name__ == "__main__":
    main()
