"""Records small peft adapters of the models of test/fixtures/torch, and the logits that peft computes with them.

    python3 scripts/record-peft.py [FOLDER [NAME ...]]        # default: test/fixtures/peft, every adapter

Developers run it after scripts/record-torch.py; no test does. It needs torch, transformers, peft, safetensors. For each
adapter FOLDER/<name> gets what save_pretrained writes, and record.safetensors with tokens i32 [2, 12] and logits
f32 [2, 12, V], or scores [2, labels].
"""

import json
import pathlib
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

ROOT = pathlib.Path(__file__).parent.parent
LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

ADAPTERS = {
    "llama": ("llama", dict(target_modules=LAYERS)),
    "gpt2": ("gpt2", dict(target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True)),
    "qwen3-some": ("qwen3", dict(target_modules=["q_proj", "v_proj"])),
    "rslora-patterns": (
        "llama",
        dict(
            target_modules=["q_proj", "down_proj"], use_rslora=True, layers_to_transform=[1],
            rank_pattern={"model.layers.1.self_attn.q_proj": 2}, alpha_pattern={"down_proj": 5},
        ),
    ),
    "dora": ("llama", dict(target_modules=["q_proj", "k_proj", "down_proj"], use_dora=True)),
    "dora-gpt2": ("gpt2", dict(target_modules=["c_attn"], use_dora=True, fan_in_fan_out=True)),
    "head": ("llama", dict(target_modules=["q_proj"], modules_to_save=["lm_head", "embed_tokens"])),
    "embedding": ("llama", dict(target_modules=["embed_tokens", "lm_head", "o_proj"])),
    "tied-embedding": ("llama-biases", dict(target_modules=["embed_tokens"])),
    "tied-head": ("llama-biases", dict(target_modules=["q_proj"], modules_to_save=["lm_head"])),
    "biases": ("llama-biases", dict(target_modules=["q_proj", "gate_proj"], bias="all")),
    "tokens": ("llama-biases", dict(target_modules=["q_proj"], trainable_token_indices=[3, 50])),
    "phi3": ("phi3", dict(target_modules=["qkv_proj", "gate_up_proj", "o_proj"])),
    "gpt-neox": ("gpt-neox", dict(target_modules=["query_key_value", "dense", "dense_h_to_4h", "embed_out"])),
    "gemma3": ("gemma3", dict(target_modules=LAYERS, modules_to_save=["embed_tokens"])),
    "scores": ("llama", dict(target_modules=["v_proj"], task_type="SEQ_CLS")),
}  # fmt: skip


def record(name, folder):
    base, options = ADAPTERS[name]
    torch.manual_seed(7)
    path = ROOT / "test/fixtures/torch" / base
    is_scoring = options.get("task_type") == "SEQ_CLS"
    if is_scoring:
        model = AutoModelForSequenceClassification.from_pretrained(path, num_labels=1, pad_token_id=0)
    else:
        model = AutoModelForCausalLM.from_pretrained(path)
    options = {"task_type": "CAUSAL_LM", **options}
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=6, **options))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            scale = 0.1 if "lora_" in key or "bias" in key else 0.05
            parameter.add_(scale * torch.randn_like(parameter))
    model.eval()
    tokens = torch.randint(1, 97, (2, 12))
    # The rows that an adapter trains must be read.
    tokens[0, 2], tokens[1, 5] = 3, 50
    with torch.no_grad():
        logits = model(tokens).logits
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = f"../../torch/{base}"
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    save_file({"tokens": tokens.to(torch.int32), "logits": logits.contiguous()}, folder / "record.safetensors")


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "test/fixtures/peft"
    torch.set_num_threads(1)
    for name in sys.argv[2:] or ADAPTERS:
        record(name, folder / name)


main()
