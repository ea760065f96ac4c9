#!/usr/bin/env python3
"""Records which tokens transformers counts as the assistant's in templates with {% generation %} blocks, for
test/text/generation-masks.test.ts. Answers begin with no space: behind a token that takes spaces, transformers counts that token too. Run in the repository root: python3 scripts/record-generation-masks.py"""
import gzip
import json

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

TEMPLATES = {
    "turns": "{% for m in messages %}{% if m.role == 'assistant' %}{{ '<|user|>' }}\n{% generation %}{{ m.content }}</s>{% endgeneration %}{% else %}"
    "{{ '<s>' + m.role + '\n' + m.content }}</s>{% endif %}\n{% endfor %}",
    "rewritten": "{% for m in messages %}{{ '<s>' + m.role + ' ' }}{% if m.role == 'assistant' %}{% generation %}"
    "{% if loop.last %}think {% endif %}{{ m.content }}{{ '</s>' }}{% endgeneration %}{% else %}{{ m.content }}{{ '</s>' }}{% endif %}{% endfor %}",
}
DIALOGUES = [
    [{"role": "user", "content": "Name a colour."}, {"role": "assistant", "content": "Blue, the naïve 日本 one."}],
    [
        {"role": "user", "content": "  Spaces  "},
        {"role": "assistant", "content": "and\n\nlines "},
        {"role": "user", "content": "🙂"},
        {"role": "assistant", "content": "cafe\u0301 ok"},
    ],
]
cases = []
for family in ("qwen2", "llama2", "phi3", "mistral", "gemma"):
    with gzip.open(f"test/text/fixtures/families/{family}.json.gz") as file:
        inner = Tokenizer.from_str(file.read().decode())
    inner.add_special_tokens([name for name in ("<s>", "</s>", "<|user|>") if inner.token_to_id(name) is None])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>")
    for name, template in TEMPLATES.items():
        tokenizer.chat_template = template
        for messages in DIALOGUES:
            made = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
            cases.append({"family": family, "template": name, "messages": messages, "ids": made["input_ids"], "mask": made["assistant_masks"]})
with open("test/text/fixtures/chat/generation.json", "w", encoding="utf8") as file:
    json.dump({"templates": TEMPLATES, "cases": cases}, file, ensure_ascii=False)
    file.write("\n")
print(len(cases))
