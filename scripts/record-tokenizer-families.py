#!/usr/bin/env python3
"""Trains small tokenizers with the settings of published ones, and records what the tokenizers library makes of hard texts:
test/text/fixtures/families has a tokenizer.json for each and digests.json. The texts are drawn from pieces by a generator that
test/text/families.test.ts has too. Run in the repository root with tokenizers==0.23.2:
python3 scripts/record-tokenizer-families.py [FOLDER for all ids]"""
import gzip
import hashlib
import json
import os
import struct
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

FOLDER = "test/text/fixtures/families"
TEXTS = 20000
BLOCK = 1000
SOURCES = ["README.md", "docs/architecture.md", "docs/checkpoints.md", "src/text/tokenizer.ts"]

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
QWEN = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA_3 = QWEN.replace(r"\p{N}|", r"\p{N}{1,3}|")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + CONTRACTIONS + r"?|[^\r\n\p{L}\p{N}]?"
         r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + CONTRACTIONS + r"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"
         r"\s*[\r\n]+|\s+(?!\S)|\s+")
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s")
DEEPSEEK = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"""
            r"\s*[\r\n]+|\s+(?!\S)|\s+")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?"
          r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
KIMI = (r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"
        + CONTRACTIONS + r"?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"
        + CONTRACTIONS + r"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
MARK = "\u2581"

N, P = normalizers, pre_tokenizers


def split(expression, behavior="isolated", invert=False):
    return P.Split(Regex(expression), behavior, invert)


def byte_level(*steps, regex=False, prefix=False):
    last = P.ByteLevel(add_prefix_space=prefix, use_regex=regex)
    return P.Sequence([*steps, last]) if steps else last


def special(content, **flags):
    return AddedToken(content, special=True, normalized=False, **flags)


END = [special("<|endoftext|>"), special("<|im_start|>"), special("<|im_end|>")]
SENTENCE = [special("<unk>"), special("<s>"), special("</s>")]
PHI = [*SENTENCE[:2], special("</s>", rstrip=True), special("<|end|>", rstrip=True), special("<|user|>", rstrip=True)]
FLAGGED = [special("[left]", lstrip=True), special("[word]", single_word=True), AddedToken("[both]", lstrip=True, rstrip=True),
           AddedToken("lower", normalized=True), AddedToken("ﬁre", normalized=True, single_word=True), AddedToken("\n\n")]
LLAMA = N.Sequence([N.Prepend(MARK), N.Replace(" ", MARK)])
TO_TEXT = [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()]
LLAMA_TEXT = decoders.Sequence([*TO_TEXT, decoders.Strip(" ", 1, 0)])
GEMMA_TEXT = decoders.Sequence(TO_TEXT)
BYTES = {"decoder": decoders.ByteLevel()}

# The settings: a normalizer, a pre-tokenizer, a decoder, added tokens, and those of the model.
FAMILIES = {
    "gpt2": dict(pre=byte_level(regex=True), tokens=END, **BYTES),
    "qwen2": dict(normalizer=N.NFC(), pre=byte_level(split(QWEN)), tokens=END, **BYTES),
    "llama3": dict(pre=byte_level(split(LLAMA_3)), tokens=END, model=dict(ignore_merges=True), **BYTES),
    "cl100k": dict(pre=byte_level(split(CL100K, "removed", True)), tokens=END, **BYTES),
    "o200k": dict(pre=byte_level(split(O200K)), tokens=END, **BYTES),
    "tekken": dict(pre=byte_level(split(TEKKEN)), tokens=END, model=dict(ignore_merges=True), **BYTES),
    "kimi": dict(pre=byte_level(split(KIMI)), tokens=END, **BYTES),
    "deepseek3": dict(pre=byte_level(split(r"\p{N}{1,3}"), split("[一-龥\u3040-ゟ゠-ヿ]+"), split(DEEPSEEK)), tokens=END, **BYTES),
    "deepseek_coder": dict(pre=byte_level(split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split("[一-龥ࠀ-一가-퟿]+"),
                                          P.Digits(True)), tokens=END, **BYTES),
    "starcoder": dict(pre=byte_level(P.Digits(True), regex=True), tokens=END, **BYTES),
    "neox": dict(normalizer=N.NFC(), pre=byte_level(regex=True), tokens=[*END, AddedToken("   "), AddedToken("  ")], **BYTES),
    "falcon": dict(pre=P.Sequence([P.Punctuation("contiguous"), P.ByteLevel(add_prefix_space=False), P.Digits(False),
                                   split("[0-9][0-9][0-9]")]), tokens=END, **BYTES),
    "bloom": dict(pre=byte_level(split(BLOOM)), tokens=END, **BYTES),
    "roberta": dict(pre=byte_level(regex=True, prefix=True), tokens=[*SENTENCE, special("<mask>", lstrip=True)], **BYTES),
    "flags": dict(normalizer=N.Sequence([N.NFKC(), N.Lowercase()]), pre=byte_level(regex=True), tokens=FLAGGED, **BYTES),
    "accents": dict(normalizer=N.Sequence([N.Strip(), N.NFD(), N.StripAccents(), N.Replace(Regex(r"\s+"), " ")]),
                    pre=byte_level(P.WhitespaceSplit(), split("[aeiou]", "merged_with_previous")), tokens=END, **BYTES),
    "words": dict(normalizer=N.NFKD(), pre=byte_level(P.Whitespace(), P.Punctuation("merged_with_next")), tokens=END, **BYTES),
    "delimited": dict(pre=byte_level(P.CharDelimiterSplit("e"), split(r"\d+", "merged_with_next"), P.Split("ab", "contiguous")),
                      tokens=END, **BYTES),
    "llama2": dict(normalizer=LLAMA, pre=None, decoder=LLAMA_TEXT, tokens=SENTENCE,
                   model=dict(unk_token="<unk>", fuse_unk=True, byte_fallback=True)),
    "mistral": dict(pre=P.Metaspace(prepend_scheme="first", split=False), decoder=LLAMA_TEXT, tokens=SENTENCE,
                    model=dict(unk_token="<unk>", fuse_unk=True, byte_fallback=True, ignore_merges=True)),
    "gemma": dict(normalizer=N.Replace(" ", MARK), pre=P.Split(" ", "merged_with_previous"), decoder=GEMMA_TEXT,
                  tokens=[*SENTENCE, AddedToken("\n\n", normalized=False), AddedToken(MARK * 2, normalized=False)],
                  model=dict(unk_token="<unk>", fuse_unk=True, byte_fallback=True)),
    "phi3": dict(normalizer=LLAMA, pre=None, decoder=LLAMA_TEXT, tokens=PHI,
                 model=dict(unk_token="<unk>", fuse_unk=True, byte_fallback=True)),
    "metaspace": dict(pre=P.Metaspace(), decoder=decoders.Metaspace(), tokens=SENTENCE, model=dict(unk_token="<unk>")),
    "unknown": dict(pre=P.Metaspace(prepend_scheme="never"), decoder=decoders.Metaspace(prepend_scheme="never"), tokens=SENTENCE,
                    model=dict(unk_token="<unk>", fuse_unk=True)),
    "dropped": dict(pre=P.Sequence([P.WhitespaceSplit(), P.Metaspace(prepend_scheme="first")]), decoder=decoders.Metaspace(),
                    tokens=SENTENCE, model={}),
}

PIECES = """a|b|the|The|THE|hello|Hello|world|can't|I'm|we'll|WE'LL|they'Ve|x'|'s|'S|'re|12|123|1234567|3.14|1,000|٣٤|½|²|Ⅳ|①|!|?|...|—|…|«|»|$|%
(|)|[|]|{|}|<|>|//|/*|->|==|#|@|_|__|\\|"|`|~|^|&|*|+|=|abc_def|fooBar|HTTPServer|XMLHttpRequest|don’t|naïve|cafe\u0301|café|ﬁre|fire|ﬀ|Å|Å|e\u0301\u0323
ß|ẞ|İ|ı|ſ|K|Ω|ﬅ|日本|日本語のテキスト|ひらがな|カタカナ|ｶﾞ|中文|汉字|한국어|ㅎㅏㄴ|\u1112\u1161\u11ab|각|가\u11a8|Привет|мир|ПРИВЕТ|Ελλάδα|ὀδός|שלום|مرحبا|हिन्दी|ไทย|ქართული|ა
🙂|👨‍👩‍👧|🏳️‍🌈|🇩🇪|1️⃣|\u200b|\u200d|\ufeff|\u00ad|\u0085|\u00a0|\u2003|\u3000|\u2028|\u180e|\u0000|\u001f|\u007f|\ufffd|▁|▁▁|▁a|Ġ|Ċ|<0x0A>|<unk>|<s>|</s>|<|endoftext|>
<|im_start|>|<|im_end|>|<|user|>|<|end|>|[left]|[word]|[both]|lower|LOWER|Lower|<mask>|\n|\n\n|\r\n|\r|\t|\t\t| |  |   |    |     \n| a|a |ab|aba|eab|ee|queue"""
RANGES = [(0x20, 0x7E), (0xA0, 0x17F), (0x180, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF), (0x600, 0x6FF),
          (0x900, 0x97F), (0xE00, 0xE7F), (0xF00, 0xFBF), (0x1100, 0x11FF), (0x1AB0, 0x1ACE), (0x1C80, 0x1C8F), (0x1D00, 0x1DBF), (0x1DC0, 0x1DFF),
          (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x209C), (0x20D0, 0x20F0), (0x2100, 0x218F), (0x2460, 0x24FF),
          (0x2A00, 0x2AFF), (0x2E80, 0x2FDF), (0x3000, 0x30FF), (0x3131, 0x318E), (0x3200, 0x33FF), (0x4DC0, 0x4E80), (0x9FA0, 0xA000),
          (0xA7C0, 0xA7FF), (0xAC00, 0xAC80), (0xD7A0, 0xD7FF), (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFEFF), (0xFF00, 0xFFEF),
          (0x10400, 0x1044F), (0x10D40, 0x10D8F), (0x1100, 0x110FF), (0x1D100, 0x1D1FF), (0x1D400, 0x1D7FF), (0x1E900, 0x1E95F), (0x1F100, 0x1F64F),
          (0x20000, 0x20040), (0x2F800, 0x2FA1D), (0x323B0, 0x323FF), (0xE0100, 0xE01EF)]


def pieces():
    for line in PIECES.split("\n"):
        # The tokens of some families have bars themselves.
        line = line.replace("<|", "\ue000").replace("|>", "\ue001")
        for piece in line.split("|"):
            piece = piece.replace("\ue000", "<|").replace("\ue001", "|>")
            yield piece.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t") if piece != "\\" else piece


def texts(all_pieces):
    state = 1

    def draw(below):
        nonlocal state
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (state >> 8) % below

    for _ in range(TEXTS):
        text = ""
        for _ in range(1 + draw(12)):
            if draw(4) > 0:
                text += all_pieces[draw(len(all_pieces))]
            else:
                first, last = RANGES[draw(len(RANGES))]
                point = first + draw(last - first + 1)
                text += "" if 0xD800 <= point < 0xE000 else chr(point)
        yield text


def corpus(all_pieces, drawn):
    lines = []
    for source in SOURCES:
        with open(source, encoding="utf8") as file:
            lines += file.read().split("\n")
    lines += all_pieces * 5 + drawn[:2000]
    # No merge may make a special token.
    names = [token.content for settings in FAMILIES.values() for token in settings["tokens"] if token.special]
    for name in names:
        lines = [line.replace(name, "") for line in lines]
    return lines


def train(settings, lines):
    is_bytes = "model" not in settings or not settings["model"].keys() & {"unk_token", "byte_fallback"}
    if settings.get("decoder") is not None and settings["decoder"].__class__.__name__ != "ByteLevel":
        is_bytes = False
    tokenizer = Tokenizer(models.BPE())
    if "normalizer" in settings:
        tokenizer.normalizer = settings["normalizer"]
    # Without a pre-tokenizer the trainer would learn whole lines.
    tokenizer.pre_tokenizer = settings["pre"] or P.Metaspace()
    first = [str(token) if isinstance(token, str) else token.content for token in settings["tokens"] if token.special]
    if not is_bytes:
        first += [f"<0x{byte:02X}>" for byte in range(256)] if settings["model"].get("byte_fallback") else []
    alphabet = P.ByteLevel.alphabet() if is_bytes else [MARK]
    trainer = trainers.BpeTrainer(vocab_size=1100, initial_alphabet=alphabet, special_tokens=first, show_progress=False,
                                  limit_alphabet=10000 if is_bytes else 300)
    tokenizer.train_from_iterator(lines, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in model["merges"]]
    made = Tokenizer(models.BPE(vocab=model["vocab"], merges=merges, **settings.get("model", {})))
    if "normalizer" in settings:
        made.normalizer = settings["normalizer"]
    if settings["pre"] is not None:
        made.pre_tokenizer = settings["pre"]
    made.decoder = settings["decoder"]
    made.add_tokens(settings["tokens"])
    return made


def main():
    all_pieces = list(pieces())
    drawn = list(texts(all_pieces))
    lines = corpus(all_pieces, drawn)
    digests = {}
    for name, settings in FAMILIES.items():
        tokenizer = train(settings, lines)
        with gzip.GzipFile(os.path.join(FOLDER, f"{name}.json.gz"), "wb", mtime=0) as file:
            file.write(tokenizer.to_str().encode())
        found = {}
        for allow in (True, False):
            tokenizer.encode_special_tokens = not allow
            rows = [encoding.ids for encoding in tokenizer.encode_batch(drawn, add_special_tokens=False)]
            found["special" if allow else "plain"] = [
                hashlib.sha256(b"".join(struct.pack(f"<i{len(row)}i", len(row), *row) for row in rows[at : at + BLOCK])).hexdigest()[:16]
                for at in range(0, TEXTS, BLOCK)
            ]
            if len(sys.argv) > 1:
                with open(os.path.join(sys.argv[1], f"{name}-{'special' if allow else 'plain'}.json"), "w") as file:
                    json.dump(rows, file)
        # One text that is long enough to be cut for parallel work.
        joined = tokenizer.encode(" and then ".join(drawn), add_special_tokens=False).ids
        found["joined"] = hashlib.sha256(struct.pack(f"<{len(joined)}i", *joined)).hexdigest()[:16]
        decoded = [tokenizer.decode(row, skip_special_tokens=skip) for row in rows for skip in (False, True)]
        found["text"] = hashlib.sha256("\0".join(decoded).encode()).hexdigest()[:16]
        if len(sys.argv) > 1:
            with open(os.path.join(sys.argv[1], f"{name}-text.json"), "w") as file:
                json.dump(decoded, file)
        digests[name] = found
        print(name, tokenizer.get_vocab_size(), file=sys.stderr)
    with open(os.path.join(FOLDER, "digests.json"), "w", encoding="utf8") as file:
        record = {"pieces": all_pieces, "ranges": RANGES, "texts": TEXTS, "block": BLOCK, "digests": digests}
        json.dump(record, file, ensure_ascii=False)
        file.write("\n")


if __name__ == "__main__":
    main()
