"""Writes the tables of spaCy's rules for English words, as src/data/filters/words/english-rules.ts.

    pip install spacy==3.8.16
    python3 scripts/record-word-rules.py src/data/filters/words/english-rules.ts

The patterns are joined in src/data/filters/words/english-words.ts.
"""

import json
import re
import sys

import spacy
from spacy.attrs import ORTH
from spacy.lang import char_classes
from spacy.pipeline.sentencizer import Sentencizer

WIDTH = 96


def javascript(pattern):
    """A pattern of Python's re as one of JavaScript with the flag u."""
    pattern = re.sub(r"\\U000([0-9A-Fa-f]{5})", lambda m: "\\u{" + m[1] + "}", pattern)
    return re.sub(r"\\([!\"'#&;%:<>=_`~@,])", r"\1", pattern)


def escaped(text):
    """The text for a JavaScript string: characters beyond ASCII stay unless they are invisible."""
    parts = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in parts)


def pieces(text):
    """The text in pieces of one line each, without cutting an escape."""
    piece = ""
    for part in re.findall(r"\\u\{[0-9A-Fa-f]+\}|\\\\u[0-9A-Fa-f]{4}|\\u[0-9a-f]{4}|\\.|.", text):
        if len(piece) + len(part) > WIDTH - 6:
            yield piece
            piece = ""
        piece += part
    yield piece


def constant(name, comment, text):
    lines = [f"  '{piece}'," for piece in pieces(escaped(text))]
    return f"/** {comment} */\nexport const {name} = [\n" + "\n".join(lines) + "\n].join('');\n"


def words(name, comment, entries):
    """A list of words, separated by spaces."""
    assert all(" " not in entry for entry in entries)
    lines, line = [], ""
    for entry in entries:
        if len(line) + len(escaped(entry)) > WIDTH - 8:
            lines.append(line)
            line = ""
        line += escaped(entry) + " "
    lines.append(line)
    body = "\n".join(f"  '{line}'," for line in lines)
    return f"/** {comment} */\nexport const {name} = [\n{body}\n]\n  .join('')\n  .trim()\n  .split(' ');\n"


def main(path):
    tokenizer = spacy.blank("en").tokenizer
    special = {
        text: [part[ORTH] for part in parts] for text, parts in sorted(tokenizer.rules.items())
    }
    special = {text: parts for text, parts in special.items() if text.strip()}
    single = [text for text, parts in special.items() if len(parts) == 1]
    divided = ["|".join(parts) for parts in special.values() if len(parts) > 1]
    assert not any("|" in part for text, parts in special.items() if len(parts) > 1 for part in parts)
    c = char_classes
    out = [
        f"""/**
 * Character classes, units and special words of spaCy {spacy.__version__} for English, written by
 * scripts/record-word-rules.py.
 *
 * spaCy is under the MIT License. Copyright (C) 2016-2024 ExplosionAI GmbH, 2016 spaCy GmbH, 2015
 * Matthew Honnibal. Permission is hereby granted, free of charge, to any person obtaining a copy
 * of this software and associated documentation files (the "Software"), to deal in the Software
 * without restriction, including without limitation the rights to use, copy, modify, merge,
 * publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to
 * whom the Software is furnished to do so, subject to the following conditions: The above copyright
 * notice and this permission notice shall be included in all copies or substantial portions of the
 * Software. The Software is provided "as is", without warranty of any kind, express or implied,
 * including but not limited to the warranties of merchantability, fitness for a particular purpose
 * and noninfringement. In no event shall the authors or copyright holders be liable for any claim,
 * damages or other liability, whether in an action of contract, tort or otherwise, arising from,
 * out of or in connection with the Software or the use or other dealings in the Software.
 */
""",
        constant("LETTERS", "Letters, as the inside of a character class.", javascript(c.ALPHA)),
        constant("LOWER", "Lower-case letters and letters without case.", javascript(c.ALPHA_LOWER)),
        constant("UPPER", "Upper-case letters and letters without case.", javascript(c.ALPHA_UPPER)),
        constant("ICONS", "Symbols.", javascript(c.CONCAT_ICONS)),
        constant("QUOTES", "Quotation marks and brackets.", javascript(c.CONCAT_QUOTES)),
        words("PUNCTUATION", "Patterns of punctuation.", [javascript(p) for p in c.LIST_PUNCT if p]),
        words("CURRENCIES", "Patterns of currencies.", [javascript(p) for p in c.LIST_CURRENCY if p]),
        words("UNITS", "Units of measurement.", [p for p in c.LIST_UNITS if p]),
        words("SENTENCE_ENDS", "Words that end a sentence.", Sentencizer.default_punct_chars),
        words("SINGLE_WORDS", "Texts that stay one word.", single),
        words("DIVIDED_WORDS", "Texts that are several words, with | between them.", divided),
    ]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out))


main(*sys.argv[1:])
