"""Puts the adapter of a run on its base model with peft and compares the result with the merged model of the run.

    python3 scripts/check-peft.py RUN        # a folder of athanor sft, reward, dpo, ppo or grpo with --lora-rank

Developers run it; no test does. It needs torch, transformers, peft. It fails on any warning of peft, and where logits
or scores differ by more than 2e-4.
"""

import json
import pathlib
import sys
import warnings

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification


def main():
    warnings.simplefilter("error")
    run = pathlib.Path(sys.argv[1])
    config = json.loads((run / "adapter/adapter_config.json").read_text())
    is_scoring = config["task_type"] == "SEQ_CLS"
    kind = AutoModelForSequenceClassification if is_scoring else AutoModelForCausalLM
    options = {"num_labels": 1, "pad_token_id": 0} if is_scoring else {}
    base = kind.from_pretrained(config["base_model_name_or_path"], dtype=torch.float32, **options)
    merged = kind.from_pretrained(run, dtype=torch.float32)
    merged.config.pad_token_id = 0
    tokens = torch.randint(1, merged.config.vocab_size, (2, 16), generator=torch.manual_seed(0))
    with torch.no_grad():
        before = base(tokens).logits
        adapted = PeftModel.from_pretrained(base, run / "adapter")(tokens).logits
        expected = merged(tokens).logits
    difference = (adapted - expected).abs().max().item()
    print(f"the adapter changes logits by up to {(before - adapted).abs().max().item():.4f}")
    print(f"the merged model differs from base and adapter by up to {difference:.2e}")
    sys.exit(difference > 2e-4)


main()
