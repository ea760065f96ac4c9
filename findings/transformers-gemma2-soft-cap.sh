#!/usr/bin/env bash
# Gemma 2 caps its attention scores: cap * tanh(score / cap). transformers 5.18.0 with torch 2.13.0
# takes scaled_dot_product_attention for the family by default, which has no cap, and leaves the cap
# out without a warning. With attn_implementation='eager' the cap is there. A model whose scores
# reach the cap then has other logits by as much as the logits themselves; without a cap in the
# configuration both ways are equal. Whoever records Gemma 2 as a reference has to ask for eager.
# Exits with 1 if a later install shows other behaviour.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.18.0 torch==2.13.0
cat > show.py <<'PY'
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

ids = torch.arange(20)[None]


def logits(cap, way):
    config = Gemma2Config(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, query_pre_attn_scalar=8,
        attn_logit_softcapping=cap)
    torch.manual_seed(0)
    model = Gemma2ForCausalLM._from_config(config, **way).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # Random weights give scores near 0, where a cap does nothing.
            if 'q_proj' in name or 'k_proj' in name:
                weight.mul_(200)
        return model.config._attn_implementation, model(ids).logits


seen = {}
for cap in [50.0, None]:
    chosen, default = logits(cap, {})
    _, eager = logits(cap, {'attn_implementation': 'eager'})
    difference = ((default - eager).abs().max() / eager.abs().max()).item()
    seen[cap] = (chosen, difference)
    print(f'cap {cap}: default is {chosen}, relative difference from eager {difference:.2g}')
assert seen[50.0][0] == 'sdpa' and seen[50.0][1] > 0.5, 'the behaviour has changed'
assert seen[None][0] == 'sdpa' and seen[None][1] < 1e-5, 'the behaviour has changed'
PY
venv/bin/python show.py
