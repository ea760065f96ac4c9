# Records what datatrove makes of texts, for the MinHash of native/text: the tables of its text
# normalisation and of English words (native/text/mapped_characters.h, character_flags.h and
# english_words.h), and results for tests (test/data/dedup/fixtures/datatrove-*.json). Run in the
# repository root, with datatrove's sources in PYTHONPATH (commit a649de79, Python 3.11 with Unicode
# 14): pip install spacy==3.8.16 xxhash numpy regex && python3 scripts/record-minhash.py
import json
import random
import re
import unicodedata
from types import SimpleNamespace

import xxhash

# xxhash 4 takes bytes only; datatrove gives it a string, which xxhash 3 read as UTF-8.
digest_of_bytes = xxhash.xxh64_intdigest
xxhash.xxh64_intdigest = lambda data: digest_of_bytes(data.encode() if isinstance(data, str) else data)

from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontIndexer  # noqa: E402
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature  # noqa: E402
from datatrove.utils.hashing import create_hash_func  # noqa: E402
from datatrove.utils.text import PUNCTUATION, ngrams, simplify_text  # noqa: E402

POINTS = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]
SEPARATOR, DROPPED, DIGIT, DECIMAL, PREFIX, SUFFIX, ICON, CURRENCY = (1 << bit for bit in range(8))
HANGUL = range(0xAC00, 0xD7A4)

signer = MinhashDedupSignature("/tmp/athanor-minhash")
splitter = signer.word_tokenizer.tokenizer.tokenizer


def simplified(character):
    parts = unicodedata.normalize("NFD", character.lower())
    return [ord(c) for c in parts if unicodedata.category(c) != "Mn"]


def flags(point):
    c = chr(point)
    bits = 0
    if c in PUNCTUATION or c.isspace():
        bits |= SEPARATOR
    if unicodedata.category(c) == "Mn":
        bits |= DROPPED
    if unicodedata.category(c) == "Nd":
        bits |= DIGIT
    if c in ".,،٫⎖⎗⎘":
        bits |= DECIMAL
    if c.isalnum():
        return bits
    if splitter.prefix_search(c):
        bits |= PREFIX
    if splitter.suffix_search(c):
        bits |= SUFFIX
    if splitter.infix_finditer("a" + c + "b") and [*splitter.infix_finditer("0" + c + "0")]:
        bits |= ICON
    if not bits & SUFFIX and splitter.suffix_search("0" + c):
        bits |= CURRENCY
    return bits


def hexes(numbers):
    return [f"0x{number:x}" for number in numbers]


def table(name, kind, items):
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) > 104:
            lines.append(line)
            line = "   "
        line += f" {item},"
    return "\n".join([f"inline constexpr {kind} {name}[] = {{", *lines, line, "};", ""])


def mapped_runs(single):
    """Runs of characters that map to themselves plus a constant: first, last, step, result of first."""
    runs = []
    for point, result in single:
        if runs:
            first, last, step, to = runs[-1]
            gap = point - last
            if result - point == to - first and gap <= 2 and (step in (0, gap)):
                runs[-1] = (first, point, gap, to)
                continue
        runs.append((point, point, 0, result))
    return [number for first, last, step, to in runs for number in (first, last, step or 1, to)]


def write_tables():
    single, several = [], []
    for point in POINTS:
        if point in HANGUL or unicodedata.category(chr(point)) == "Mn":
            continue
        result = simplified(chr(point))
        if result == [point]:
            continue
        if len(result) == 1:
            single.append((point, result[0]))
        else:
            several += [point, len(result), *result]
    runs, previous = [], None
    for point in range(0x110000):
        bits = 0 if 0xD800 <= point < 0xE000 else flags(point)
        if bits != previous:
            runs.append(point << 8 | bits)
        previous = bits
    units = re.search(r"\(\?<=\[0-9\]\)\(\?:(km\|[^)]*)\)", splitter.suffix_search.__self__.pattern)[1]
    units = sorted({unit for unit in units.split("|") if simplify_text(unit) == unit})
    words = {
        text: " ".join(next(iter(piece.values())) for piece in pieces)
        for text, pieces in splitter.rules.items()
        if simplify_text(text) == text
    }
    write_header(
        "mapped_characters.h",
        f"""// A run of characters that become another one: first, last, step, and the character that the first
// becomes. The others become those as far away.
{table("kMappedCharacters", "uint32_t", hexes(mapped_runs(single)))}
// A character that becomes several or none: itself, their number, and they.
{table("kExpandedCharacters", "uint32_t", hexes(several))}""",
    )
    write_header(
        "character_flags.h",
        f"""// Each entry is (first character << 8) | flags, and holds up to the next entry.
{table("kCharacterFlags", "uint32_t", hexes(runs))}""",
    )
    write_header(
        "english_words.h",
        f"""// Units of measure, which end a word behind a digit.
{table("kUnits", "const char*", [json.dumps(unit, ensure_ascii=False) for unit in units])}
// Words that are divided, with spaces where.
{table("kDividedWords", "const char*", [json.dumps(words[text], ensure_ascii=False) for text in sorted(words)])}""",
    )


def write_header(name, body):
    """Run `npm run format` behind this."""
    header = f"""// Generated by scripts/record-minhash.py from datatrove a649de79, spaCy 3.8.16 and Unicode
// {unicodedata.unidata_version}; do not edit.
#pragma once

#include <cstdint>

namespace athanor::text {{

{body}
}}  // namespace athanor::text
"""
    with open(f"native/text/{name}", "w", encoding="utf8") as file:
        file.write(header)


ENGLISH = "node_modules/node-gyp/CHANGELOG.md"
PIECES = [
    "İstanbul", "naïve", "CAFÉ", "Ελλάς", "ΣΑΣ", "don't", "dont", "cannot", "Gonna", "id", "wed", "hows", "5km", "12,345.67",
    "1999's", "‘quoted’", "‘s", "§4", "20€", "€20", "x€", "10µm", "3km²", "©2020", "a©b", "©", "©©a©", "™", "x™y™", "\u200b",
    "½", "x²", "한국어", "日本語", "。", "हिन्दी", "العربية،", "٣٫١٤", "１２", "1|2|3", "≠", "a≠b", "Å", "ﬁne", "ß", "ẞ", "ǅ", "🙂", "a🙂b",
    "🙂🙂", "→", "a→b", "0", "x0km", "0kmh", "5lb", "5 lb", "mph", "0.5.5", "1.", ".5", "\u00ad", "e\u0301", "\u0301", "\u2028", "\x85",
    "_x_", "#tag", "@user", "http://example.com/a?b=c", "me@example.com", "C++", "U.S.A.", "rock-n-roll", "—", "…", "`code`",
    "5₽", "5°C", "°", "١", "ଠ", "ಠ︵ಠ", "¿Qué?", "¡Olé!", "·", "x·y", "「日本」", "『本』", "〔x〕", "5g", "5kg.", "5mgg", "$5m", "ª", "Ǆ",
]  # fmt: skip


def write_signatures():
    rng = random.Random(7)
    with open(ENGLISH, encoding="utf8") as file:
        english = file.read()
    texts = [english[at : at + 1500] for at in range(0, 12000, 1500)]
    texts += [" ".join(rng.choice(PIECES) for _ in range(40)) for _ in range(25)]
    # Glued together without U+2260, of whose neighbours native/text takes letters only.
    glued = [piece for piece in PIECES if piece != "≠"]
    texts += ["".join(rng.choice(glued) for _ in range(60)) + " a b c d e" for _ in range(25)]
    alphabet = "abz0 1.,'-©€‘§é🙂\u0301km"
    texts += ["".join(rng.choice(alphabet) for _ in range(120)) for _ in range(40)]
    texts += ["one two three four", "one two three four five", "", "word " * 50]
    record = {"english": ENGLISH, "documents": []}
    for text in texts:
        words = signer.word_tokenizer.word_tokenize(simplify_text(text))
        shingles = signer.get_shingles(text)
        signature = [str(n) for band in signer.get_signature(shingles) for n in band] if shingles.size else None
        # The first values and a digest of all keep the file small.
        record["documents"].append(
            {
                "text": text,
                "words": " ".join(words),
                "first": signature and signature[:3],
                "digest": signature and f"{digest_of_bytes(' '.join(signature).encode()):016x}",
            }
        )
    record["configurations"] = []
    for n, bands, rows, seed in [(5, 14, 8, 1), (3, 20, 5, 42), (1, 1, 1, 0), (13, 9, 13, 123456789)]:
        other = MinhashDedupSignature(
            "/tmp/athanor-minhash",
            MinhashConfig(n_grams=n, num_buckets=bands, hashes_per_bucket=rows, seed=seed),
        )
        signature = other.get_signature(other.get_shingles(texts[0]))
        record["configurations"].append(
            {"ngram": n, "bands": bands, "rows": rows, "seed": seed, "signature": [str(v) for band in signature for v in band]}
        )
    with open("test/data/dedup/fixtures/datatrove-signatures.json", "w", encoding="utf8") as file:
        json.dump(record, file, ensure_ascii=False, indent=0)
        file.write("\n")


def write_decontamination():
    """The first run of words of each text that datatrove finds in its index of evaluation texts."""
    config = NGramsDecontConfig(n_grams=12)
    tokenizer, hash_func = signer.word_tokenizer, create_hash_func(config.hash_config)
    indexer = SimpleNamespace(config=config, tokenizer=tokenizer, hash_func=hash_func)
    with open(ENGLISH, encoding="utf8") as file:
        words = file.read().split()[:1500]
    rng = random.Random(11)
    evaluations = [" ".join(words[at : at + rng.randint(5, 40)]) for at in range(0, 1500, 100)]
    index = {h: "" for text in evaluations for h in NGramsDecontIndexer.compute_hashes(indexer, text)}
    texts = []
    for at in range(0, 1500, 40):
        piece = words[at : at + 60]
        for _ in range(rng.choice([0, 2, 6])):
            piece[rng.randrange(len(piece))] = "changed"
        texts.append(" ".join(piece))
    found = []
    for text in texts:
        runs = ngrams(tokenizer.word_tokenize(simplify_text(text)), config.n_grams)
        found.append(next((run for run in map(" ".join, runs) if hash_func(run) in index), None))
    with open("test/data/dedup/fixtures/datatrove-decontamination.json", "w", encoding="utf8") as file:
        json.dump({"evaluations": evaluations, "texts": texts, "found": found}, file, ensure_ascii=False, indent=0)
        file.write("\n")


write_tables()
write_signatures()
write_decontamination()
