"""Records weights in NF4 and int8 for test/native/frozen.test.ts.

NF4 is what bitsandbytes makes (its functions on the CPU need no compiled part), int8 is numpy's arithmetic,
and the products and gradients of a linear layer with LoRA are PyTorch's on the dequantized weights.

    python3 scripts/record-frozen.py test/fixtures/frozen
"""
import sys
from pathlib import Path

import bitsandbytes.functional as bnb
import numpy as np
import torch
from safetensors.torch import save_file


def matrices():
    torch.manual_seed(11)
    normal = torch.randn(5, 100) * 0.02
    odd = torch.randn(3, 7)
    hard = torch.randn(4, 128) * 0.05
    hard[1] = 0
    hard[2, 3] = 9.0
    hard[3, :64] *= 1e-20
    # Numbers on the bounds between codes, and one float beside them.
    bounds = torch.tensor([-0.8480964004993439, -0.045525018125772476, 0.03979014977812767, 0.8614784178118011])
    near = torch.cat([bounds, torch.nextafter(bounds, torch.ones(4)), torch.nextafter(bounds, -torch.ones(4))])
    edge = torch.cat([torch.ones(1), near, torch.zeros(51)]).repeat(2).reshape(2, 64)
    return {"normal": normal, "odd": odd, "hard": hard, "edge": edge}


def nf4(weight):
    codes, state = bnb.quantize_4bit(weight, blocksize=64, quant_type="nf4")
    values = bnb.dequantize_4bit(codes, state)
    return codes.reshape(-1), state.absmax, values


def int8(weight):
    array = weight.numpy()
    scales = (np.abs(array).max(axis=1) / np.float32(127)).astype(np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        codes = np.nan_to_num(np.rint(array / scales[:, None])).astype(np.int8)
    values = codes.astype(np.float32) * scales[:, None]
    return torch.from_numpy(codes.view(np.uint8)).reshape(-1), torch.from_numpy(scales), torch.from_numpy(values)


def layer(values):
    """y and gradients of x (W + 2 B A)^T + bias for sum(y * dy)."""
    torch.manual_seed(12)
    outputs, inputs = values.shape
    x, a, b, bias = torch.randn(6, inputs), torch.randn(3, inputs), torch.randn(outputs, 3), torch.randn(outputs)
    dy = torch.randn(6, outputs)
    for tensor in (x, a, b):
        tensor.requires_grad_()
    y = x @ values.T + bias + 2.0 * (x @ a.T) @ b.T
    (y * dy).sum().backward()
    found = dict(x=x, a=a, b=b, bias=bias, dy=dy, y=y, dx=x.grad, da=a.grad, db=b.grad)
    return {name: tensor.detach().contiguous() for name, tensor in found.items()}


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    recorded = {}
    for name, weight in matrices().items():
        recorded[f"{name}.weight"] = weight
        for kind, quantize in (("nf4", nf4), ("int8", int8)):
            codes, scales, values = quantize(weight)
            recorded[f"{name}.{kind}.codes"] = codes
            recorded[f"{name}.{kind}.scales"] = scales
            recorded[f"{name}.{kind}.values"] = values
            recorded[f"{name}.{kind}.bf16"] = values.to(torch.bfloat16)
            if name == "normal":
                recorded.update({f"layer.{kind}.{key}": value for key, value in layer(values).items()})
    save_file({name: tensor.contiguous().clone() for name, tensor in recorded.items()}, out / "weights.safetensors")


main()
