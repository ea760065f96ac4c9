"""Writes the small files of test/data/corpus/fixtures that other programs wrote: Parquet in every
encoding and compression of pyarrow, Arrow folders of `datasets`, a folder as on the Hub; and
rows.json, the rows as pyarrow reads them. Run once with pyarrow 25 and datasets 5.0:
    python scripts/record-corpus-files.py test/data/corpus/fixtures
"""
import datetime
import json
import random
import shutil
import sys
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

out = Path(sys.argv[1])
tables = out / "tables"
for folder in (tables, out / "saved", out / "saved-dict", out / "hub", out / "hub-names"):
    shutil.rmtree(folder, ignore_errors=True)
tables.mkdir(parents=True)
rng = random.Random(4)
words = "the cat sat on a mat and spoke of läuft 水 naïve 😀 \n\t".split(" ")


def text(count):
    return " ".join(rng.choice(words) for _ in range(count))


def row(i):
    turns = [{"role": ("user", "assistant")[j % 2], "content": text(3)} for j in range(rng.randrange(0, 4))]
    return {
        "text": None if i % 17 == 5 else text(rng.randrange(0, 12)),
        "repeated": words[i % 4],
        "messages": None if i % 19 == 7 else turns,
        "parts": None if i % 23 == 3 else [None if rng.random() < 0.1 else text(1) for _ in range(i % 4)],
        "nested": [[j] * (j % 3) for j in range(i % 3)],
        "meta": None if i % 13 == 1 else {"url": f"http://a.b/{i}", "inner": {"n": i, "tags": [str(i)] * (i % 2)}},
        "count": None if i % 11 == 2 else i * 3 - 50,
        "large": i * 2**50,
        "unsigned": i * 7,
        "score": i / 7,
        "half": float(i % 5),
        "yes": i % 3 == 0,
        "day": datetime.date(2020, 1, 1) + datetime.timedelta(days=i),
        "at": datetime.datetime(2021, 5, 6, 7, 8, 9, 123000) + datetime.timedelta(hours=i),
        "nothing": None,
    }


schema = pa.schema(
    [
        ("text", pa.string()),
        ("repeated", pa.string()),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.large_string())]))),
        ("parts", pa.large_list(pa.string())),
        ("nested", pa.list_(pa.list_(pa.int16()))),
        (
            "meta",
            pa.struct(
                [("url", pa.string()), ("inner", pa.struct([("n", pa.int32()), ("tags", pa.list_(pa.string()))]))]
            ),
        ),
        ("count", pa.int64()),
        ("large", pa.int64()),
        ("unsigned", pa.uint32()),
        ("score", pa.float64()),
        ("half", pa.float32()),
        ("yes", pa.bool_()),
        ("day", pa.date32()),
        ("at", pa.timestamp("us")),
        ("nothing", pa.null()),
    ]
)


def plain(value):
    """As JSON: whole numbers beyond 2^53 as texts, times in ISO 8601."""
    if isinstance(value, dict):
        return {key: plain(field) for key, field in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, datetime.date):
        return value.isoformat() + "T00:00:00.000Z"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 - 1:
        return str(value)
    return value


rows = [row(i) for i in range(100)]
table = pa.Table.from_pylist(rows, schema=schema)
(out / "rows.json").write_text(json.dumps([plain(r) for r in table.to_pylist()], ensure_ascii=False))

for codec in ("none", "snappy", "gzip", "brotli", "zstd", "lz4"):
    pq.write_table(table, tables / f"{codec}.parquet", compression=codec, row_group_size=37)
small = dict(row_group_size=64, data_page_size=256, write_batch_size=8, dictionary_pagesize_limit=512)
pq.write_table(table, tables / "pages-1.parquet", compression="zstd", **small)
pq.write_table(table, tables / "pages-2.parquet", compression="snappy", data_page_version="2.0", **small)
pq.write_table(table, tables / "plain.parquet", use_dictionary=False, write_page_checksum=True, **small)
pq.write_table(table, tables / "indexed.parquet", write_page_index=True, **small)
delta = {"text": "DELTA_LENGTH_BYTE_ARRAY", "repeated": "DELTA_BYTE_ARRAY", "count": "DELTA_BINARY_PACKED",
         "large": "DELTA_BINARY_PACKED", "score": "BYTE_STREAM_SPLIT"}
pq.write_table(table, tables / "delta.parquet", use_dictionary=False, column_encoding=delta, version="2.6", **small)
pq.write_table(table.slice(0, 0), tables / "empty.parquet")

feather.write_feather(table, tables / "file.arrow", compression="uncompressed", chunksize=30)
feather.write_feather(table, tables / "zstd.arrow", compression="zstd", chunksize=30)
with pa.OSFile(str(tables / "stream.arrow"), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
    for batch in table.to_batches(max_chunksize=30):
        writer.write_batch(batch)

few = datasets.Dataset.from_list([{"text": f"train {i}", "label": i % 2} for i in range(5)])
held = datasets.Dataset.from_list([{"text": f"test {i}", "label": i % 2} for i in range(3)])
few.save_to_disk(out / "saved", num_shards=2)
datasets.DatasetDict(train=few, test=held).save_to_disk(out / "saved-dict")
data = out / "hub" / "data"
data.mkdir(parents=True)
few.select(range(3)).to_parquet(data / "part-a.parquet")
few.select(range(3, 5)).to_parquet(data / "part-b.parquet")
held.to_parquet(data / "held.parquet")
(out / "hub" / "README.md").write_text(
    "---\nlicense: mit\nconfigs:\n- config_name: default\n  data_files:\n"
    "  - split: train\n    path: data/part-*\n  - split: test\n    path:\n    - data/held.parquet\n---\n# A dataset\n"
)
data = out / "hub-names" / "data"
data.mkdir(parents=True)
few.select(range(3)).to_parquet(data / "train_sft-00000-of-00002.parquet")
few.select(range(3, 5)).to_parquet(data / "train_sft-00001-of-00002.parquet")
held.to_parquet(data / "test_sft-00000-of-00001.parquet")
