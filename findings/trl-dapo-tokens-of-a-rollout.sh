#!/usr/bin/env bash
# TRL 1.13.0 has the loss_type dapo as its default for GRPO: a mean over tokens. When a rollout has
# several updates (steps_per_generation over gradient_accumulation_steps), each of them divides by
# the mean number of tokens per update of the whole rollout, and not by its own. Here two updates
# with 44 and 15 tokens both divide by 29.5. So the loss of one update is no mean over its tokens,
# and who compares a loss of TRL for one batch has to give it a rollout of one update.
# Exits with 1 if a later install shows other behaviour.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet trl==1.13.0 transformers==5.18.0 torch==2.13.0 datasets==5.0.1
cat > show.py <<'PY'
import json
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

words = {word: i for i, word in enumerate(["<end>", "<pad>", *"abcdef"])}
plain = Tokenizer(models.WordLevel(words, unk_token="a"))
plain.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<end>", pad_token="<pad>")
torch.manual_seed(1)
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=8, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
    eos_token_id=0, pad_token_id=1, max_position_embeddings=64))
seen = []


class Watched(GRPOTrainer):
    def _compute_loss(self, model, inputs):
        loss = super()._compute_loss(model, inputs)
        mask, advantages = inputs["completion_mask"], inputs["advantages"].reshape(-1, 1)
        # At a learning rate of 0 all ratios are 1, so a token's loss is minus its advantage.
        total = -(advantages * mask).sum().item()
        seen.append({"tokens": int(mask.sum()), "divided by": round(total / loss.item(), 2)})
        return loss


settings = GRPOConfig(
    output_dir="out", loss_type="dapo", beta=0.0, learning_rate=0.0, max_steps=2, seed=3,
    per_device_train_batch_size=4, gradient_accumulation_steps=1, steps_per_generation=2,
    num_generations=4, max_completion_length=24, use_cpu=True, bf16=False, report_to=[],
    save_strategy="no", logging_strategy="no", disable_tqdm=True)
Watched(
    model=model, args=settings, processing_class=tokenizer,
    reward_funcs=lambda completions, **_: [float(len(one)) for one in completions],
    train_dataset=Dataset.from_list([{"prompt": "a b c"}, {"prompt": "d e f"}]),
).train()
print(json.dumps(seen))
mean = sum(one["tokens"] for one in seen) / len(seen)
as_expected = len(seen) == 2 and seen[0]["tokens"] != seen[1]["tokens"] and all(
    abs(one["divided by"] - mean) < 0.05 for one in seen)
raise SystemExit(0 if as_expected else 1)
PY
HF_HUB_OFFLINE=1 venv/bin/python show.py 2> warnings.txt
