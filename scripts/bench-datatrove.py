# Times the MinHash signatures of datatrove on a JSONL file of texts, for `athanor bench data --peer
# datatrove`, which runs it: bench-datatrove.py TEXTS REPEATS. Prints one line of JSON.
import json
import sys
import time

import xxhash

# xxhash 4 takes bytes only; datatrove gives it a string, which xxhash 3 read as UTF-8.
digest_of_bytes = xxhash.xxh64_intdigest
xxhash.xxh64_intdigest = lambda data: digest_of_bytes(data.encode() if isinstance(data, str) else data)

from datatrove.pipeline.dedup.minhash import MinhashDedupSignature  # noqa: E402

path, repeats = sys.argv[1], int(sys.argv[2])
with open(path, encoding="utf8") as file:
    texts = [json.loads(line)["text"] for line in file]
size = sum(len(text.encode()) for text in texts)
signer = MinhashDedupSignature("/tmp")
signer.get_signature(signer.get_shingles("the first text loads the tokenizer of English words"))
seconds, cpu_seconds = [], []
for _ in range(repeats):
    start, cpu_start = time.perf_counter(), time.process_time()
    for text in texts:
        shingles = signer.get_shingles(text)
        if shingles.size > 0:
            signer.get_signature(shingles)
    seconds.append(time.perf_counter() - start)
    cpu_seconds.append(time.process_time() - cpu_start)
print(json.dumps({"bytes_per_second": size / min(seconds), "bytes_per_cpu_second": size / min(cpu_seconds)}))
