"""Records which token of a dialogue transformers and TRL score, and the scores, with reward models of ours.

    python3 scripts/record-reading.py [FOLDER]        # default: test/fixtures/torch/chat-score

Developers run it when the fixture has to change; no test does. It needs torch, transformers, trl, datasets.
FOLDER holds a reward model as saveScoringModel wrote it. Each case gives it other files: a chat template, the end
and padding tokens of tokenizer_config.json, and pad_token_id of config.json. FOLDER/record.json gets, for every
case, the answers as TRL's RewardTrainer tokenizes them, their scores one by one and in one batch that is padded at
the right and at the left, and the scores that RewardTrainer itself sees, which sets pad_token_id. A score is null
where transformers refuses to compute it.
"""

import json
import pathlib
import shutil
import sys
import tempfile

import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from trl import RewardConfig, RewardTrainer

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
BARE = CHATML.replace("<|im_end|>\\n", "<|im_end|>")
CLOSED = CHATML.replace("{% endif %}", "{% else %}{{ '<|endoftext|>' }}{% endif %}")
TEXT, END = "<|endoftext|>", "<|im_end|>"

# name: template, end token and padding token of the tokenizer, padding token of config.json
CASES = {
    "chatml": (CHATML, TEXT, None, TEXT),
    "chatml-end-pads": (CHATML, END, END, END),
    "chatml-no-pad": (CHATML, TEXT, None, None),
    "bare": (BARE, TEXT, None, TEXT),
    "bare-end-pads": (BARE, END, END, END),
    "closed": (CLOSED, TEXT, TEXT, TEXT),
    "closed-other-pad": (CLOSED, TEXT, "<|im_start|>", "<|im_start|>"),
}
PROMPT = [{"role": "user", "content": "Name a colour."}]
ANSWERS = ["Blue.", "Red, then.", "Hello! Another one?", "", "Be brief. Blue. Red.", "one"]


def folder_of(root, case, target):
    template, eos, pad, config_pad = CASES[case]
    shutil.copytree(root, target, ignore=shutil.ignore_patterns("record.json"))
    files = {name: json.loads((target / name).read_text()) for name in ("config.json", "tokenizer_config.json")}
    tokenizer = files["tokenizer_config.json"]
    tokenizer |= {"chat_template": template, "eos_token": eos, **({"pad_token": pad} if pad else {})}
    vocabulary = {token["content"]: token["id"] for token in json.loads((target / "tokenizer.json").read_text())["added_tokens"]}
    if config_pad:
        files["config.json"]["pad_token_id"] = vocabulary[config_pad]
    for name, content in files.items():
        (target / name).write_text(json.dumps(content))
    return files["config.json"].get("pad_token_id"), tokenizer


def scores(model, sequences, side):
    pad = model.config.pad_token_id
    width = max(map(len, sequences))
    rows = [([pad or 0] * (width - len(s)), s) for s in sequences]
    ids = torch.tensor([s + fill if side == "right" else fill + s for fill, s in rows])
    mask = torch.tensor([[1] * len(s) + [0] * len(f) if side == "right" else [0] * len(f) + [1] * len(s) for f, s in rows])
    try:
        with torch.no_grad():
            return model(input_ids=ids, attention_mask=mask).logits[:, 0].tolist()
    except ValueError:
        return None


def record(root, case):
    with tempfile.TemporaryDirectory() as temporary:
        target = pathlib.Path(temporary) / "model"
        pad, tokenizer_config = folder_of(root, case, target)
        model = AutoModelForSequenceClassification.from_pretrained(target, dtype=torch.float32).eval()
        tokenizer = AutoTokenizer.from_pretrained(target)
        rows = [{"prompt": PROMPT, "chosen": [{"role": "assistant", "content": a}],
                 "rejected": [{"role": "assistant", "content": "No."}]} for a in ANSWERS]  # fmt: skip
        trl_model = AutoModelForSequenceClassification.from_pretrained(target, dtype=torch.float32).eval()
        args = RewardConfig(output_dir=temporary, report_to=[], use_cpu=True, max_length=None)
        trainer = RewardTrainer(
            trl_model, args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer
        )
        sequences = [list(row["chosen_ids"]) for row in trainer.train_dataset]
        return {
            "config": {"pad_token_id": pad},
            "tokenizer_config": {key: tokenizer_config.get(key) for key in ("chat_template", "eos_token", "pad_token")},
            "tokens": sequences,
            "scores": [scores(model, [s], "right")[0] for s in sequences],
            "padded_right": scores(model, sequences, "right"),
            "padded_left": scores(model, sequences, "left"),
            "trl": {"pad_token_id": trl_model.config.pad_token_id, "scores": scores(trl_model.eval(), sequences, "right")},
        }


def main():
    default = pathlib.Path(__file__).resolve().parent.parent / "test" / "fixtures" / "torch" / "chat-score"
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    torch.set_num_threads(1)
    content = {"prompt": PROMPT, "answers": ANSWERS, "cases": {case: record(root, case) for case in CASES}}
    (root / "record.json").write_text(json.dumps(content, indent=1) + "\n")
    for case, found in content["cases"].items():
        print(case, found["config"], found["trl"]["pad_token_id"], [s[-4:] for s in found["tokens"][:2]])
        print("  ", *(f"{score:.3f}" for score in found["scores"]))
        for name in ("padded_right", "padded_left"):
            print("  ", *(f"{score:.3f}" for score in found[name] or []))
        print("  ", *(f"{score:.3f}" for score in found["trl"]["scores"]))


if __name__ == "__main__":
    main()
