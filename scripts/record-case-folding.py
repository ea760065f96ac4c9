#!/usr/bin/env python3
"""Records the full case folding of Unicode, as Python has it, for test/safety/folding.test.ts:
`record-case-folding.py test/safety/fixtures/case-folding.json`"""
import json
import sys
import unicodedata

folded = {}
for point in range(sys.maxunicode + 1):
    character = chr(point)
    if unicodedata.category(character) in ("Cn", "Co", "Cs"):
        continue
    if character.casefold() != character:
        folded[character] = character.casefold()

with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump({"unicode": unicodedata.unidata_version, "folded": folded}, file, ensure_ascii=False)
    file.write("\n")
