#!/usr/bin/env python3
"""Records what transformers makes of the chat templates of many models, for test/text/templates-in-use.test.ts.

    python3 scripts/record-chat-templates.py FOLDER

FOLDER has a file NAME.jinja for each template. Those recorded are from huggingface.js (packages/ollama-utils and
packages/jinja) and vLLM (examples). Templates of models under Apache 2.0 and MIT are recorded whole, of others the hash.
Each renders the dialogues of scripts/jinja/dialogues.py, and goes on with last messages. Needs transformers 5.18."""
import copy
import datetime
import gzip
import hashlib
import json
import sys
from pathlib import Path

from jinja import dialogues
from transformers.utils import chat_template_utils

OUT = Path(__file__).resolve().parent.parent / "test/text/fixtures/chat/in-use.json.gz"
FREE = (
    "HuggingFaceH4", "HuggingFaceTB", "Qwen_", "deepseek-ai", "deepseek-r1", "deepseek-v3.1", "devstral", "granite", "mistral-small",
    "mistral_", "mistralai", "mixtral", "olmo2", "phi", "qwen2.5-coder", "qwen2.5_", "qwen2_", "qwen3", "qwq", "smollm2", "tinyllama", "vllm",
)
NOW = datetime.datetime(2026, 3, 7, 15, 4, 9, 120000)
USER = {"role": "user", "content": "Name a colour."}


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat_template_utils.datetime = Clock


def answer(content, **fields):
    return {"role": "assistant", "content": content, **fields}


CONTINUED = [
    {"messages": [USER, answer("Blu")]},
    {"messages": [USER, answer("Blue and  \n")]},
    {"messages": [USER, answer("  \n Blu")]},
    {"messages": [USER, answer("")]},
    {"messages": [USER, answer(None)]},
    {"messages": [USER]},
    {"messages": [USER, answer("Blue."), {"role": "user", "content": "And "}]},
    {"messages": [USER, answer([{"type": "text", "text": "Blu"}])]},
    {"messages": [USER, answer([{"type": "image"}])]},
    {"messages": [USER, answer("<think>\nHm")]},
    {"messages": [USER, answer("<think>\nHm.\n</think>\n\nBlu")]},
    {"messages": [USER, answer("", reasoning_content="Hm, ")], "field": "reasoning_content"},
    {"messages": [USER, answer("", thinking="Hm, ")], "field": "thinking"},
    {"messages": [{"role": "system", "content": "Be brief."}, USER, answer("Red, CONTINUE_FINAL_MESSAGE_TAG ")]},
]


def render(template, context):
    """The text, or None where Jinja2 raises anything."""
    try:
        return chat_template_utils._compile_jinja_template.__wrapped__(template).render(**copy.deepcopy(context))
    except RecursionError:
        raise
    except Exception:
        return None


def go_on(template, dialogue):
    try:
        messages, field = copy.deepcopy(dialogue["messages"]), dialogue.get("field", True)
        return chat_template_utils.render_jinja_template([messages], chat_template=template, continue_final_message=field, **dialogues.NAMES)[0][0]
    except RecursionError:
        raise
    except Exception:
        return None


def main():
    templates = {}
    for path in sorted(Path(sys.argv[1]).glob("*.jinja")):
        source = path.read_text()
        kept = {"source": source} if path.stem.startswith(FREE) else {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        texts = [render(source, context) for context in dialogues.CONTEXTS]
        templates[path.name] = {**kept, "texts": texts, "continued": [go_on(source, dialogue) for dialogue in CONTINUED]}
    record = {"names": dialogues.NAMES, "contexts": dialogues.CONTEXTS, "continued": CONTINUED, "templates": templates}
    OUT.write_bytes(gzip.compress(json.dumps(record, separators=(",", ":")).encode(), 9, mtime=0))
    kept = sum("source" in template for template in templates.values())
    print(f"{len(templates)} templates, {kept} of them whole, {len(dialogues.CONTEXTS)} dialogues", file=sys.stderr)


main()
