"""The datatrove side of `athanor bench data --peer datatrove`, on the same texts.

    pip install datatrove==0.10.0 spacy==3.8.16 xxhash
    python3 scripts/bench-datatrove.py filters TEXTS.jsonl REPEATS
    python3 scripts/bench-datatrove.py signatures TEXTS.jsonl REPEATS

Times FineWeb's rules, or MinHash signatures, and prints one JSON line. The time is that of the
processor, and the first call of the word tokenizer, which builds it, does not count.
"""

import json
import sys
import time

import xxhash

# xxhash 4 takes bytes only; datatrove gives it a string, which xxhash 3 read as UTF-8.
digest_of_bytes = xxhash.xxh64_intdigest
xxhash.xxh64_intdigest = lambda data: digest_of_bytes(data.encode() if isinstance(data, str) else data)

from datatrove.data import Document  # noqa: E402
from datatrove.pipeline.dedup.minhash import MinhashDedupSignature  # noqa: E402
from datatrove.pipeline.filters import (  # noqa: E402
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils.text import split_into_words  # noqa: E402


def filters():
    """Whether FineWeb's rules keep a text."""
    steps = [
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
    ]
    split_into_words("It is built now.")

    def keeps(text):
        document = Document(text=text, id="")
        return all(step.filter(document) is True for step in steps)

    return keeps


def signatures():
    """Whether a text has a signature."""
    signer = MinhashDedupSignature("/tmp")
    signer.get_signature(signer.get_shingles("the first text loads the tokenizer of English words"))

    def is_signed(text):
        shingles = signer.get_shingles(text)
        if shingles.size > 0:
            signer.get_signature(shingles)
        return shingles.size > 0

    return is_signed


def main(what, path, repeats):
    with open(path, encoding="utf-8") as file:
        texts = [json.loads(line) for line in file]
    keeps = {"filters": filters, "signatures": signatures}[what]()
    best, kept = float("inf"), 0
    for _ in range(repeats):
        start = time.process_time()
        kept = sum(keeps(text) for text in texts)
        best = min(best, time.process_time() - start)
    size = sum(len(text.encode()) for text in texts)
    print(json.dumps({"mb_per_cpu_second": size / 1e6 / best, "kept": kept}))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
