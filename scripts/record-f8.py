#!/usr/bin/env python3
"""Records small folders with f8 weights under test/checkpoint/fixtures/f8, each with what PyTorch makes of them:

    block    quant_method fp8 with `weight_scale_inv` in bf16, as Qwen3-FP8 has it, and blocks that the sizes do not fill
    tensor   compressed-tensors, one `weight_scale` per tensor, and scales of activations
    channel  compressed-tensors, one `weight_scale` per row
    types    every value of the three types of f8

Needs torch and safetensors. Run in the repository root."""
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

SOURCE = Path("test/fixtures/torch/qwen3")
OUT = Path("test/checkpoint/fixtures/f8")
F8 = torch.float8_e4m3fn
BLOCK = (24, 20)


def is_quantized(name):
    return "_proj.weight" in name


def scale_of(weight, kind):
    if kind == "tensor":
        return (weight.abs().max() / 448).reshape(1)
    if kind == "channel":
        return weight.abs().amax(1, keepdim=True) / 448
    rows, columns = (-(-size // block) for size, block in zip(weight.shape, BLOCK))
    scale = torch.empty(rows, columns)
    for i in range(rows):
        for j in range(columns):
            part = weight[i * BLOCK[0] : (i + 1) * BLOCK[0], j * BLOCK[1] : (j + 1) * BLOCK[1]]
            scale[i, j] = part.abs().max() / 448
    return scale.bfloat16()


def spread(scale, weight, kind):
    """The scale of each weight, f32."""
    if kind != "block":
        return scale.float()
    rows, columns = weight.shape
    return scale.float().repeat_interleave(BLOCK[0], 0)[:rows].repeat_interleave(BLOCK[1], 1)[:, :columns]


def compressed(strategy):
    weights = {"num_bits": 8, "type": "float", "strategy": strategy, "symmetric": True, "dynamic": False}
    group = {"targets": ["Linear"], "weights": weights, "input_activations": {**weights, "dynamic": True}}
    return {"quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": {"group_0": group}, "ignore": ["lm_head"]}


CONFIGS = {
    "block": {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": list(BLOCK)},
    "tensor": compressed("tensor"),
    "channel": compressed("channel"),
}


def record(kind):
    stored, expected = {}, {}
    for name, weight in load_file(SOURCE / "model.safetensors").items():
        if not is_quantized(name):
            stored[name] = expected[name] = weight.bfloat16()
            continue
        scale = scale_of(weight, kind)
        every = spread(scale, weight, kind)
        stored[name] = (weight / every).clamp(-448, 448).to(F8)
        stored[f"{name}_scale_inv" if kind == "block" else f"{name}_scale"] = scale
        if kind == "tensor":
            stored[name.replace("weight", "input_scale")] = torch.ones(1)
        expected[name] = stored[name].float() * every
    folder = OUT / kind
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((SOURCE / "config.json").read_text())
    config.update(dtype="bfloat16", quantization_config=CONFIGS[kind])
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    save_file(expected, folder / "expected.safetensors", {"format": "pt"})


for kind in CONFIGS:
    record(kind)
every = torch.arange(256, dtype=torch.uint8)
types = {"e4m3": every.clone().view(F8), "e5m2": every.clone().view(torch.float8_e5m2), "e8m0": every.clone().view(torch.float8_e8m0fnu)}
save_file({**types, **{f"{name}.f32": value.float() for name, value in types.items()}}, OUT / "types.safetensors")
