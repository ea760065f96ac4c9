#!/usr/bin/env python3
"""Records which text transformers counts as the assistant's, for test/text/answer-masks.test.ts.

    python3 scripts/record-answer-masks.py TRL/chat_templates

TRL has for many chat templates a variant with {% generation %} blocks, from which transformers makes the mask. Where both
write the same text of a dialogue, the blocks say what is learned with the original template. Qwen3's variants keep
thoughts that the originals drop, so blocks are put into the originals too. Behind its stop token an answer has white
space of the template, which TRL teaches too, and some blocks begin with the opening of the turn: both are left out.
Cohere's second template is left out: its answers close with two tokens, and the first of them stops a model here.

Templates under Apache 2.0 and MIT are recorded whole, of others the hash. Needs transformers 5.18 and TRL 1.13."""
import gzip
import hashlib
import json
import sys
from os.path import commonprefix
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

OUT = Path(__file__).resolve().parent.parent / "test/text/fixtures/chat/answers.json.gz"
FREE = ("deepseek", "glm", "gptoss", "idefics3", "phi3", "qwen")
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
CALL = {"id": "a1b2c3d4e", "type": "function", "function": {"name": "f", "arguments": {"x": 1, "s": "é"}}}
TOOLS = [{"type": "function", "function": {"name": "f", "description": "D", "parameters": {"type": "object", "properties": {}}}}]


def user(content):
    return {"role": "user", "content": content}


def answer(content, **fields):
    return {"role": "assistant", "content": content, **fields}


SYSTEM = {"role": "system", "content": "Be brief."}
RESULT = {"role": "tool", "name": "f", "tool_call_id": "a1b2c3d4e", "content": "42"}
DIALOGUES = [
    {"messages": [user("Name a colour."), answer("Blue.")]},
    {"messages": [SYSTEM, user("A?"), answer("b\n\nc"), user("C?"), answer("Grün, don't"), user("D?"), answer("e")]},
    {"messages": [user("A?"), answer("Why"), answer("not")]},
    {"messages": [user("A?"), answer("<think>\nHm\n</think>\n\nB"), user("C?"), answer("<think>\nOh\n</think>\n\nD")]},
    {"messages": [user("A?"), answer("B", reasoning_content="Hm"), user("C?"), answer("D", reasoning_content="Oh")]},
    {"messages": [user("A?"), answer("B", thinking="Hm"), user("C?"), answer("D", thinking="Oh")]},
    {"messages": [user("A?"), answer("", tool_calls=[CALL]), RESULT, answer("42."), user("C?"), answer("D")], "tools": TOOLS},
    {"messages": [user("A?"), answer("", tool_calls=[CALL], reasoning_content="Hm"), RESULT, answer("42.")], "tools": TOOLS},
    {"messages": [user("A?"), answer("", tool_calls=[CALL], thinking="Hm"), RESULT, answer("B"), user("C?"), answer("D", thinking="Oh")], "tools": TOOLS},
    {"messages": [user("A?"), answer("", tool_calls=[CALL], reasoning_content="Hm"), RESULT, answer("B"), user("C?"), answer("D")]},
    {"messages": [user("A?"), answer("B"), user("C?"), answer("D")], "tools": TOOLS},
    {"messages": [user("A?"), answer("B"), user("C?"), answer("D")], "enable_thinking": False},
]


def marked(source):
    """Qwen3's templates with one block around each answer, its opening included."""
    begin, end = "{%- if loop.index0 > ns.last_query_index %}", "{{- '<|im_end|>\\n' }}\n    {%- elif message.role == \"tool\" %}"
    if source.count(begin) != 1 or source.count(end) != 1:
        return None
    middle = end.replace("}}\n", "}}{%- endgeneration %}\n", 1)
    return source.replace(begin, "{%- generation %}" + begin).replace(end, middle)


def render(template, dialogue, prompt=False):
    messages, rest = dialogue["messages"], {key: value for key, value in dialogue.items() if key not in ("messages", "tools")}
    options = {"chat_template": template, "tools": dialogue.get("tools"), "add_generation_prompt": prompt, **TOKENS, **rest}
    texts, spans = render_jinja_template([messages], return_assistant_tokens_mask=not prompt, **options)
    return texts[0], spans[0] if spans else []


def learned(source, dialogue, text, spans):
    """The texts of the blocks, without openings and what comes behind the last token."""
    turns = [i for i, message in enumerate(dialogue["messages"]) if message["role"] == "assistant"]
    spans = [span for span in spans if text[slice(*span)] != TOKENS["eos_token"]]
    if len(spans) != len(turns):
        return None
    result = []
    for turn, (begin, end) in zip(turns, spans):
        # An answer to an answer opens as the first one does.
        while dialogue["messages"][turn - 1]["role"] == "assistant":
            turn -= 1
        earlier = {**dialogue, "messages": dialogue["messages"][:turn]}
        prompt = render(source, earlier, True)[0]
        bare = render(source, earlier)[0].removesuffix(TOKENS["eos_token"])
        opening = prompt[len(bare) :] if prompt.startswith(bare) else ""
        if "<｜tool▁outputs▁end｜>" in source:
            # DeepSeek opens an answer to a tool otherwise, and its tokens begin alike.
            opening = "<｜tool▁outputs▁end｜>" if dialogue["messages"][turn - 1]["role"] == "tool" else "<｜Assistant｜>"
        before = next(k for k in range(len(opening), -1, -1) if text[:begin].endswith(opening[:k]))
        result.append(text[begin + len(commonprefix([text[begin:end], opening[before:]])) : end].rstrip("\n"))
    return result


def main():
    folder, templates = Path(sys.argv[1]), {}
    for path in sorted(folder.glob("*.jinja")):
        if path.name == "cohere2.jinja":
            continue
        source = path.read_text()
        variants = [marked(source)]
        if (folder / f"{path.stem}_training.jinja").exists():
            variants.append((folder / f"{path.stem}_training.jinja").read_text())
        cases = []
        for number, dialogue in enumerate(DIALOGUES):
            for variant in filter(None, variants):
                try:
                    text = render(source, dialogue)[0]
                    same, spans = render(variant, dialogue)
                    texts = learned(source, dialogue, text, spans) if same == text else None
                except Exception:
                    texts = None
                if texts is not None:
                    cases.append({"dialogue": number, "text": text, "learned": texts})
                    break
        if cases:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            entry = {"source": source} if path.stem.startswith(FREE) else {"sha256": digest}
            templates[path.name] = {**entry, "cases": cases}
            print(path.name, [case["dialogue"] for case in cases])
    record = {"tokens": TOKENS, "dialogues": DIALOGUES, "templates": templates}
    OUT.write_bytes(gzip.compress(json.dumps(record, ensure_ascii=False).encode(), 9, mtime=0))


main()
