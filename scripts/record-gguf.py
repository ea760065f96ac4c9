"""Records what gguf 0.19.0, llama.cpp's own package, makes of given weights in each type, and what it reads back.

    python scripts/record-gguf.py

Needs gguf and numpy. Writes test/checkpoint/gguf/blocks.json.
"""

import base64
import json
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, quants

OUT = Path(__file__).parent.parent / "test" / "checkpoint" / "gguf" / "blocks.json"


def encoded(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


rng = np.random.default_rng(7)
rows = [rng.normal(0, scale, 32) for scale in (1, 0.02, 1e-3, 30, 1e-6) for _ in range(8)]
rows += [np.zeros(32), np.full(32, -0.5), np.tile([1.0, -1.0], 16), np.linspace(-1, 1, 32)]
rows += [np.where(np.arange(32) == 7, -3.0, 0.125), np.arange(32) / 254]
weights = np.array(rows, np.float32)
types = {"q8_0": "Q8_0", "q4_0": "Q4_0", "bf16": "BF16", "f16": "F16"}
recorded = {
    name: encoded(quants.quantize(weights, GGMLQuantizationType[type_])) for name, type_ in types.items()
}
read = {}
for name, type_ in types.items():
    kind = GGMLQuantizationType[type_]
    read[name] = encoded(quants.dequantize(quants.quantize(weights, kind), kind).astype(np.float32))
OUT.write_text(json.dumps({"weights": encoded(weights), **recorded, "read": read}, indent=1) + "\n")
