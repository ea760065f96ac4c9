#!/usr/bin/env python3
"""Records what Jinja2 makes of generated templates and of chat templates, in the environment of transformers, under
test/text/fixtures/jinja. `record-jinja.py` writes generated.json.gz. With the folder of TRL's chat templates as its
argument it writes trl.json.gz instead, which holds their hashes and what they render, not the templates.

Needs jinja2 3.1.6 and transformers."""
import datetime
import gzip
import hashlib
import json
import random
import re
import sys
from pathlib import Path

from jinja import dialogues, fixed, generated
from transformers.utils import chat_template_utils

FOLDER = Path(__file__).resolve().parent.parent / "test/text/fixtures/jinja"
SEED = 20261130
COUNT = 4200
NOW = datetime.datetime(2026, 3, 7, 15, 4, 9, 120000)


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat_template_utils.datetime = Clock


def render(template: str, context: dict):
    """The text, or None where Jinja2 raises anything."""
    try:
        return chat_template_utils._compile_jinja_template.__wrapped__(template).render(**context)
    except RecursionError:
        raise
    except Exception:
        return None


def write(name: str, value) -> None:
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    (FOLDER / name).write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def record_generated() -> None:
    rng = random.Random(SEED)
    templates = list(dict.fromkeys([*fixed.TEMPLATES, *(generated.template(rng) for _ in range(COUNT))]))
    rows = []
    for template in templates:
        which = rng.randrange(len(generated.CONTEXTS))
        text = render(template, generated.CONTEXTS[which])
        # Addresses print differently each time; complex numbers are not supported here.
        if text is None or (" at 0x" not in text and not re.search(r"\dj\)", text) and len(text) < 4000):
            rows.append([template, which, text])
    write("generated.json.gz", {"contexts": generated.CONTEXTS, "rows": rows})
    errors = sum(text is None for _, _, text in rows)
    print(f"{len(rows)} templates, {errors} of them with an error", file=sys.stderr)


def record_trl(folder: Path) -> None:
    renders = {}
    for path in sorted(folder.glob("*.jinja")):
        source = path.read_bytes()
        template = source.decode()
        digest = hashlib.sha256(source).hexdigest()
        renders[path.name] = {"sha256": digest, "texts": [render(template, row) for row in dialogues.CONTEXTS]}
    write("trl.json.gz", {"contexts": dialogues.CONTEXTS, "renders": renders})
    print(f"{len(renders)} chat templates with {len(dialogues.CONTEXTS)} dialogues", file=sys.stderr)


if len(sys.argv) > 1:
    record_trl(Path(sys.argv[1]))
else:
    record_generated()
