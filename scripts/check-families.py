"""Opens the folders that check-families.mjs wrote, for that script. Prints one line of JSON: the version of transformers,
and for each family its class, what went wrong (warnings, tensors that are missing or unknown, changed values) and the
largest difference of the logits, relative to the largest logit."""

import json
import logging
import sys
import warnings
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM


# transformers 5 says so of every Phi-3 with LongRoPE, what it wrote itself included. The field that it asks for would have
# to stand in `rope_scaling`, where transformers 4 takes no fourth one.
EXPECTED = "to be used together with `max_position_embeddings` to determine a scaling factor"


class Collected(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        if EXPECTED not in record.getMessage():
            self.messages.append(record.getMessage())


def check(root, name):
    folder = root / name
    said = Collected()
    logging.getLogger("transformers").addHandler(said)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        config = AutoConfig.from_pretrained(folder)
        # The other kinds of attention leave out the soft caps of Gemma 2, without a word.
        model, info = AutoModelForCausalLM.from_pretrained(
            folder, output_loading_info=True, dtype="auto", attn_implementation="eager"
        )
        record = json.loads((root / f"{name}.json").read_text())
        with torch.no_grad():
            logits = model.eval()(torch.tensor([record["ids"]])).logits[0].float()
    logging.getLogger("transformers").removeHandler(said)
    problems = said.messages + [str(warning.message) for warning in caught]
    problems += [f"{key}: {sorted(map(str, value))}" for key, value in info.items() if value]
    if type(model).__name__ != config.architectures[0]:
        problems.append(f"opened as {type(model).__name__}")
    stored, loaded = load_file(folder / "model.safetensors"), model.state_dict()
    problems += [f"{key} changed" for key, value in stored.items() if key in loaded and not torch.equal(loaded[key], value)]
    ours = torch.tensor(record["logits"]).view_as(logits)
    difference = ((logits - ours).abs().max() / logits.abs().max()).item()
    return {"class": type(model).__name__, "problems": problems, "difference": difference}


transformers.utils.logging.disable_progress_bar()
root = Path(sys.argv[1])
names = json.loads((root / "names.json").read_text())
print()
print(json.dumps({"transformers": transformers.__version__, "families": {name: check(root, name) for name in names}}))
