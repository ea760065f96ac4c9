"""Records what datatrove and dolma make of documents, for test/data/filters/recorded.test.ts.

    pip install datatrove==0.10.0 dolma==1.2.1 spacy==3.8.16
    python3 scripts/record-filters.py CORPUS.jsonl test/data/filters/fixtures/recorded.jsonl.gz

CORPUS.jsonl has the documents of `packagedDocuments('clean')`, one {"id", "text"} per line. A
sample of them is recorded, and texts that are made dirty in ways that the rules look for.
"""

import gzip
import hashlib
import json
import random
import sys

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4ParagraphFilter,
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.filters.gopher_quality_filter import STOP_WORDS
from datatrove.pipeline.filters.gopher_repetition_filter import (
    find_all_duplicate,
    find_duplicates,
    find_top_duplicate,
    get_n_grams,
)
from datatrove.pipeline.formatters import PIIFormatter
from datatrove.utils.text import PUNCTUATION_SET, split_into_sentences, split_into_words
from dolma.taggers.gopher import get_attributes

FILTERS = {
    "c4": lambda: C4QualityFilter(),
    "c4:terminal-punctuation=off": lambda: C4QualityFilter(filter_no_terminal_punct=False),
    "c4:terminal-punctuation=off:min-sentences=off:min-line-words=off": lambda: C4QualityFilter(
        filter_no_terminal_punct=False, min_num_sentences=-1, min_words_per_line=-1
    ),
    "c4-paragraphs": lambda: C4ParagraphFilter(),
    "gopher-quality": lambda: GopherQualityFilter(),
    "gopher-repetition": lambda: GopherRepetitionFilter(),
    "fineweb": lambda: FineWebQualityFilter(),
    "fineweb-paper": lambda: FineWebQualityFilter(char_duplicates_ratio=0.1, new_line_ratio=1e9),
}


def decision(make, text):
    """The text that is kept, or the reason of the rejection; or an error of the reference."""
    document = Document(text=text, id="0")
    try:
        result = make().filter(document)
    except (ZeroDivisionError, IndexError) as error:
        return {"error": type(error).__name__}
    if isinstance(result, tuple):
        return {"rejected": result[1]}
    return {"kept": None if document.text == text else document.text}


def measures(text):
    """What the rules measure, from the functions that the filters call."""
    words = split_into_words(text)
    real = [w for w in words if any(c not in PUNCTUATION_SET for c in w)]
    lines = text.splitlines()
    paragraphs = GopherRepetitionFilter().paragraph_exp.split(text.strip())
    broken = GopherRepetitionFilter()._line_splitter.split(text)
    full = [line for line in text.split("\n") if line.strip() != ""]
    stop = FineWebQualityFilter().stop_chars
    n, size = max(len(words), 1), max(len(text), 1)
    result = {
        "gopher-quality": {
            "min-words": len(real),
            "min-mean-word-length": sum(map(len, real)) / max(len(real), 1),
            "max-hashes": text.count("#") / n if words else 0,
            "max-ellipses": (text.count("...") + text.count("…")) / n,
            "max-bullet-lines": sum(s.lstrip().startswith(("•", "-")) for s in lines)
            / max(len(lines), 1),
            "max-ellipsis-lines": sum(s.rstrip().endswith(("...", "…")) for s in lines)
            / max(len(lines), 1),
            "min-letter-words": sum(any(c.isalpha() for c in w) for w in words) / n,
            "min-stop-words": len(set(STOP_WORDS) & set(words)),
        },
        "gopher-repetition": {
            "repeated-paragraphs": find_duplicates(paragraphs)[0] / len(paragraphs),
            "repeated-paragraph-characters": find_duplicates(paragraphs)[1] / size,
            "repeated-lines": find_duplicates(broken)[0] / len(broken),
            "repeated-line-characters": find_duplicates(broken)[1] / size,
        },
        "fineweb": {
            "min-lines": len(full),
            "min-terminated-lines": sum(s.endswith(stop) for s in full) / max(len(full), 1),
            "max-short-lines": sum(len(s) <= 30 for s in full) / max(len(full), 1),
            "max-repeated-characters": find_duplicates(full)[1] / max(len(text.replace("\n", "")), 1),
            "max-line-breaks-per-word": text.count("\n") / n if words else 0,
        },
        "gopher-dolma": dolma(text),
    }
    repetition = result["gopher-repetition"]
    for k in (2, 3, 4):
        rows = get_n_grams(words, k)
        repetition[f"top-{k}-gram"] = find_top_duplicate(rows) / size if rows else 0
    for k in range(5, 11):
        repetition[f"repeated-{k}-grams"] = find_all_duplicate(words, k) / size
    return words, result


def dolma(text):
    a = get_attributes(text)
    result = {
        "min-words": a.word_count,
        "min-median-word-length": a.median_word_length,
        "max-symbols": a.symbol_to_word_ratio,
        "min-letter-words": a.fraction_of_words_with_alpha_character,
        "min-stop-words": a.required_word_count,
        "max-bullet-lines": a.fraction_of_lines_starting_with_bullet_point,
        "max-ellipsis-lines": a.fraction_of_lines_ending_with_ellipsis,
        "repeated-lines": a.fraction_of_duplicate_lines,
        "repeated-line-characters": a.fraction_of_characters_in_duplicate_lines,
    }
    for n, value in a.fraction_of_characters_in_most_common_ngram:
        result[f"top-{n}-gram"] = value
    for n, value in a.fraction_of_characters_in_duplicate_ngrams:
        result[f"repeated-{n}-grams"] = value
    return result


def dirty(r, texts):
    """A text with some of the faults that the rules look for."""
    base = r.choice(texts)
    start = r.randrange(max(1, len(base) - 1200))
    text = base[start : start + r.randint(200, 1200)]
    lines = text.split("\n")
    faults = [
        lambda x: x + ["Menu", "Home", "About us", "Contact"] * r.randint(1, 12),
        lambda x: ["- " + s for s in x],
        lambda x: ["\u2022 " + s if r.random() < 0.95 else s for s in x],
        lambda x: [s + r.choice(["...", "\u2026", " ...", "\u2026 "]) if r.random() < 0.5 else s for s in x],
        lambda x: x + [" ".join(r.choice(["#tag", "#a", "text"]) for _ in range(40))],
        lambda x: x + ["You must enable JavaScript to view this page, please do so now."],
        lambda x: x + ["function f() { return 0; }"] * r.randint(1, 2),
        lambda x: x + ["We use cookies to improve this site, and our privacy policy says how."],
        lambda x: [s + r.choice(["[12]", "[edit]", " [citation needed]", "[\u0663]", "[x]"]) for s in x],
        lambda x: x + ["Lorem ipsum dolor sit amet, consectetur adipiscing elit."],
        lambda x: [s.replace(". ", ".\n\n") for s in x],
        lambda x: [s.replace(". ", ".\n") for s in x],
        lambda x: x * r.randint(2, 4),
        lambda x: x + [x[0]] * r.randint(1, 3),
        lambda x: "\n\n\n".join(x).split("\n"),
        lambda x: [s.replace(" ", r.choice(["  ", "\t", "\u00a0", "\u2003", "\u3000"])) for s in x],
        lambda x: [s.replace("\n", "\r\n") + r.choice(["\r", "\x0b", "\x1e", "\x85", "\u2028"]) + s for s in x],
        lambda x: [s.replace("e", "e\u0301").replace("o", "\u00f6") for s in x],
        lambda x: [s.replace("a", "\U0001f600").replace("t", "\U00010400") for s in x],
        lambda x: [s.replace(" the ", " ").replace(" of ", " ").replace(" and ", " ") for s in x],
        lambda x: [s.replace(" the ", " \u6f22\u5b57\u3002 ") for s in x],
        lambda x: x + ["a" * r.choice([999, 1000, 1001, 1200]) + " is a long word here."],
        lambda x: [" ".join(w if r.random() < 0.7 else str(r.randrange(10000)) for w in s.split(" ")) for s in x],
        lambda x: [" ".join(w if r.random() < 0.6 else r.choice("!?.,;:-/|=+*") for w in s.split(" ")) for s in x],
        lambda x: [s + f" mail {r.choice('abc')}.x@{r.choice(['b.co', 'x-y.example.org', 'q'])} or"
                   f" {r.randrange(256)}.{r.randrange(256)}.{r.randrange(300)}.{r.randrange(256)}" for s in x],
        lambda x: [s + " 'q@w.de <a@b.c.> x..y@z.com .p@t.io \u00e9p@t.io a-b@c-d.e-f @@ a@[8.8.8.8]" for s in x],
        lambda x: ["   " + s + "   " for s in x],
        lambda x: [s.upper() for s in x],
        lambda x: [("yes yes no no " * r.randint(3, 30)) + s for s in x],
        lambda x: [s.replace(".", "") for s in x],
        lambda x: [s[:28] for s in x],
        lambda x: [s + "\x00\x07" for s in x],
    ]
    for fault in r.sample(faults, r.choice([1, 1, 2, 3])):
        lines = fault(lines)
    return "\n".join(lines)[:3000]


def main(corpus, out):
    r = random.Random(7)
    texts = [json.loads(line)["text"] for line in open(corpus, encoding="utf-8")]
    real = []
    for text in r.sample(texts, 120):
        start = r.randrange(max(1, len(text) - 1500))
        real.append(text[start : start + r.randint(300, 1500)])
    special = ["", " ", "\n", "\n\n\n", ".", "...", "a", "a\n", "\u200b", "Hello world. " * 20, "a b\n" * 60]
    documents = special + real + [dirty(r, texts) for _ in range(300)]
    with gzip.GzipFile(out, "wb", mtime=0) as file:
        for text in documents:
            words, values = measures(text)
            row = {
                "text": text,
                "words": len(words),
                "words_sha256": hashlib.sha256("\n".join(words).encode()).hexdigest()[:16],
                "sentences": [len(split_into_sentences(line)) for line in text.splitlines()],
                "decisions": {name: decision(make, text) for name, make in FILTERS.items()},
                "measures": values,
                "masked": PIIFormatter().format(text),
            }
            file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())


main(*sys.argv[1:])
