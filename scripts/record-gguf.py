"""Records what llama.cpp makes of given weights in each type, what it reads back, and which type each tensor of a q4_k_m file has.

    python scripts/record-gguf.py LIBRARIES

LIBRARIES is the folder of llama.cpp's libggml-base, libggml and libllama. Needs gguf 0.19.0 and numpy.
Writes test/checkpoint/gguf/blocks.json.
"""

import base64
import ctypes
import glob
import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quants

OUT = Path(__file__).parent.parent / "test" / "checkpoint" / "gguf" / "blocks.json"
BLOCKS = {"q4_0": "Q4_0", "q4_1": "Q4_1", "q5_0": "Q5_0", "q5_1": "Q5_1", "q8_0": "Q8_0", "q4_k": "Q4_K", "q5_k": "Q5_K", "q6_k": "Q6_K"}
Q4_K_M = 15
NAMES = {kind.value: name for name, kind in ((name, GGMLQuantizationType[t]) for name, t in {**BLOCKS, "f32": "F32", "f16": "F16"}.items())}


def library(name):
    return ctypes.CDLL(glob.glob(f"{sys.argv[1]}/{name}.*so*")[0], mode=ctypes.RTLD_GLOBAL)


ggml = library("libggml-base")
library("libggml")
llama = library("libllama")
ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + 3 * [ctypes.c_int64] + [ctypes.c_void_p]


class Parameters(ctypes.Structure):
    _fields_ = [("threads", ctypes.c_int32), ("file_type", ctypes.c_int), ("rest", ctypes.c_char * 256)]


llama.llama_model_quantize_default_params.restype = Parameters
llama.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Parameters)]


def encoded(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def quantized(weights, name):
    kind = GGMLQuantizationType[BLOCKS[name]]
    out = np.zeros(quants.quant_shape_to_byte_shape(weights.shape, kind), np.uint8)
    ggml.ggml_quantize_chunk(kind.value, weights.ctypes.data, out.ctypes.data, 0, *weights.shape, None)
    return out


def read_back(blocks, name):
    return quants.dequantize(blocks, GGMLQuantizationType[BLOCKS[name]]).astype(np.float32)


def tensor_types(layers, hidden, inner, is_tied, parts):
    """The types that llama.cpp gives the tensors of a Llama or a GPT-2."""
    architecture = "gpt2" if "attn_qkv" in parts else "llama"
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/f32.gguf", f"{folder}/q.gguf"
        writer = GGUFWriter(source, architecture)
        writer.add_context_length(64), writer.add_embedding_length(hidden), writer.add_block_count(layers)
        writer.add_feed_forward_length(inner), writer.add_head_count(4), writer.add_vocab_size(8)
        writer.add_layer_norm_rms_eps(1e-5), writer.add_layer_norm_eps(1e-5)
        shapes = {"token_embd": hidden, "output_norm": None, **({} if is_tied else {"output": hidden})}
        for layer in range(layers):
            for part in parts:
                shapes[f"blk.{layer}.{part}"] = None if part.endswith("norm") else inner if part == "ffn_down" else hidden
        for name, columns in shapes.items():
            writer.add_tensor(f"{name}.weight", np.ones((8, columns) if columns else (hidden,), np.float32))
        writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()
        parameters = llama.llama_model_quantize_default_params()
        parameters.file_type = Q4_K_M
        if llama.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(parameters)) != 0:
            raise RuntimeError("not quantized")
        types = {tensor.name: NAMES[tensor.tensor_type.value] for tensor in GGUFReader(target).tensors}
    return {"layers": layers, "hidden": hidden, "inner": inner, "isTied": is_tied, "types": types}


rng = np.random.default_rng(7)
rows = [rng.normal(0, scale, 32) for scale in (1, 0.02, 1e-3, 30, 1e-6) for _ in range(8)]
rows += [np.zeros(32), np.full(32, -0.5), np.tile([1.0, -1.0], 16), np.linspace(-1, 1, 32)]
rows += [np.where(np.arange(32) == 7, -3.0, 0.125), np.arange(32) / 254]
weights = np.array(rows, np.float32)
recorded = {name: encoded(quants.quantize(weights, GGMLQuantizationType[name.upper()])) for name in ("q8_0", "q4_0", "bf16", "f16")}
read = {}
for name in ("q8_0", "q4_0", "bf16", "f16"):
    kind = GGMLQuantizationType[name.upper()]
    read[name] = encoded(quants.dequantize(quants.quantize(weights, kind), kind).astype(np.float32))

rows = [rng.normal(0, scale, 256) for scale in (1, 0.02, 1e-3, 30, 1e-6, 1e-20)]
rows += [rng.standard_t(2, 256) * 0.02, np.where(rng.random(256) < 0.1, rng.normal(0, 1, 256), 0)]
# Parts whose scale is nothing beside that of others.
rows += [rng.normal(0, 1, 256) * np.repeat(10.0 ** rng.uniform(-8, 2, 256 // part), part) for part in (16, 32) for _ in range(3)]
rows += [np.abs(rng.normal(0, 1, 256)), -np.abs(rng.normal(0, 1, 256)), np.zeros(256), np.full(256, -0.5), np.linspace(-1, 1, 256)]
rows += [np.repeat(rng.normal(0, 1, 8), 32), rng.integers(-8, 8, 256)]
wide = np.array(rows, np.float32)
blocks = {name: quantized(wide, name) for name in BLOCKS}
digests = {name: hashlib.sha256(read_back(blocks[name], name).tobytes()).hexdigest() for name in BLOCKS}
LLAMA = ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"]
GPT2 = ["attn_norm", "attn_qkv", "attn_output", "ffn_norm", "ffn_up", "ffn_down"]
mixed = [tensor_types(16, 256, 512, False, LLAMA), tensor_types(5, 256, 512, True, LLAMA), tensor_types(9, 256, 512, True, GPT2)]
mixed += [tensor_types(4, 288, 256, False, LLAMA), tensor_types(4, 40, 96, False, LLAMA), tensor_types(4, 288, 96, True, LLAMA)]
wide_record = {"weights": encoded(wide), "blocks": {name: encoded(value) for name, value in blocks.items()}, "read": digests}
OUT.write_text(json.dumps({"weights": encoded(weights), **recorded, "read": read, "wide": wide_record, "mixed": mixed}, indent=1) + "\n")
