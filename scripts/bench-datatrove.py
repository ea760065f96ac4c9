"""The datatrove side of `athanor bench data --peer datatrove`: FineWeb's rules on the same texts.

    pip install datatrove==0.10.0 spacy==3.8.16
    python3 scripts/bench-datatrove.py TEXTS.jsonl REPEATS

Prints one JSON line. The time is that of the processor, and the first call of the word tokenizer,
which builds it, does not count.
"""

import json
import sys
import time

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils.text import split_into_words


def main(path, repeats):
    texts = [json.loads(line) for line in open(path, encoding="utf-8")]
    filters = [
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
    ]
    split_into_words("It is built now.")
    best, kept = float("inf"), 0
    for _ in range(repeats):
        kept = 0
        start = time.process_time()
        for i, text in enumerate(texts):
            document = Document(text=text, id=str(i))
            kept += all(step.filter(document) is True for step in filters)
        best = min(best, time.process_time() - start)
    size = sum(len(text.encode()) for text in texts)
    print(json.dumps({"mb_per_cpu_second": size / 1e6 / best, "kept": kept}))


main(sys.argv[1], int(sys.argv[2]))
