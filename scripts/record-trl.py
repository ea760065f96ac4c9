"""Records losses and gradients of TRL's own trainers for test/train/trl.test.ts.

    python3 scripts/record-trl.py test/fixtures/trl

FOLDER/model is a language model as saveModel wrote it. Of each case FOLDER/record.json gets the batch and the loss of
compute_loss, and FOLDER/model/<case>.safetensors the gradients; for reward models both are in FOLDER/reward, which
is made. References are the model with its weights halved. It needs torch, transformers, trl and datasets.
"""
import json
import pathlib
import sys
import tempfile

import torch
from datasets import Dataset
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from trl import (DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, KTOConfig, KTOTrainer, RewardConfig, RewardTrainer,
                 SFTConfig, SFTTrainer)

ROOT = pathlib.Path(sys.argv[1])
USER = [{"role": "user", "content": "Name a colour."}]


def turn(text, role="assistant"):
    return [{"role": role, "content": text}]


DIALOGUES = [
    {"messages": USER + turn("Blue.")},
    {"messages": turn("Be brief.", "system") + USER + turn("Red, then.") + turn("Another one?", "user") + turn("Blue.")},
    {"messages": turn("Hello!", "user") + turn("Hello! Another one?")},
]
PAIRS = [
    {"prompt": USER, "chosen": turn("Blue."), "rejected": turn("Red, then.")},
    {"prompt": turn("Hello!", "user"), "chosen": turn("Hello!"), "rejected": turn("Be brief. one")},
    {"prompt": turn("Another one?", "user"), "chosen": turn("Red."), "rejected": turn("then")},
]
RATINGS = [
    {"prompt": USER, "completion": turn("Blue."), "label": True},
    {"prompt": turn("Hello!", "user"), "completion": turn("Be brief. one"), "label": False},
    {"prompt": turn("Another one?", "user"), "completion": turn("Red, then."), "label": True},
    {"prompt": USER, "completion": turn("then"), "label": False},
]
record = {"rows": {"dialogues": DIALOGUES, "pairs": PAIRS, "ratings": RATINGS}, "cases": {}}


def language_model(factor=1.0):
    model = AutoModelForCausalLM.from_pretrained(ROOT / "model", dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(factor)
    return model


def plain(batch):
    return {key: value.tolist() for key, value in batch.items() if isinstance(value, torch.Tensor)}


def loss_and_gradients(trainer, batches):
    model = trainer.model
    model.train()
    model.zero_grad()
    total = 0
    for batch in batches:
        loss = trainer.compute_loss(model, {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in batch.items()})
        loss.backward()
        total += loss.item()
    return total, {key: p.grad.clone().contiguous() for key, p in model.named_parameters() if p.grad is not None}


def keep(name, trainer, *batches, folder="model", **more):
    """Of one batch, or of the batches of one update."""
    loss, grads = loss_and_gradients(trainer, batches)
    given = {"batch": plain(batches[0])} if len(batches) == 1 else {"batches": [plain(batch) for batch in batches]}
    record["cases"][name] = {"loss": loss, **given, **more}
    save_file(grads, ROOT / folder / f"{name}.safetensors")
    print(name, loss)
    return grads


def config(kind, temporary, rows, **settings):
    shared = dict(output_dir=temporary, report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False)
    return kind(**shared, per_device_train_batch_size=rows, **settings)


def first(trainer):
    return next(iter(trainer.get_train_dataloader()))


def policy_trainer(tokenizer, temporary, gradient_accumulation_steps=1, **settings):
    """A trainer in the state of train(), and answers of several lengths with numbers that a rollout could have."""
    # Its correction multiplies the KL penalty by the ratio.
    args = config(GRPOConfig, temporary, 4 // gradient_accumulation_steps, num_generations=4, beta=0.04,
                  max_completion_length=8, use_bias_correction_kl=False,
                  gradient_accumulation_steps=gradient_accumulation_steps, **settings)
    trainer = GRPOTrainer(language_model(), lambda completions, **_: [0.0] * len(completions), args=args,
                          train_dataset=Dataset.from_list([{"prompt": USER}] * 4), processing_class=tokenizer)
    trainer.current_gradient_accumulation_steps = gradient_accumulation_steps
    torch.manual_seed(6)
    prompt = torch.tensor([tokenizer.apply_chat_template(USER, add_generation_prompt=True, return_dict=False)] * 4)
    lengths = torch.tensor([8, 3, 5, 1])
    mask = (torch.arange(8)[None] < lengths[:, None]).long()
    return trainer, {
        "prompt_ids": prompt, "prompt_mask": torch.ones_like(prompt),
        "completion_ids": torch.randint(1, 256, (4, 8)) * mask, "completion_mask": mask,
        "advantages": torch.tensor([1.2, -0.7, 0.4, -0.9]),
        "old_per_token_logps": -3 - 2 * torch.rand(4, 8), "ref_per_token_logps": -3 - 2 * torch.rand(4, 8),
        "num_items_in_batch": mask.sum(),
    }


def some_rows(batch, rows):
    return {key: value[rows] if value.dim() else value for key, value in batch.items()}


def main():
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "model")
    with tempfile.TemporaryDirectory() as temporary:
        for name, rows, settings in [
            ("sft-masked", DIALOGUES, dict(assistant_only_loss=True)),
            ("sft-packed", DIALOGUES, dict(assistant_only_loss=True, packing=True, max_length=96)),
        ]:
            args = config(SFTConfig, temporary, len(rows), **{"max_length": None, **settings})
            trainer = SFTTrainer(language_model(), args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
            keep(name, trainer, first(trainer))

        torch.manual_seed(5)
        judge = AutoModelForSequenceClassification.from_pretrained(ROOT / "model", num_labels=1, dtype=torch.float32)
        torch.nn.init.normal_(judge.score.weight, std=0.3)
        judge.config.pad_token_id = tokenizer.pad_token_id
        judge.save_pretrained(ROOT / "reward")
        tokenizer.save_pretrained(ROOT / "reward")
        for name, centering in [("reward", None), ("reward-centering", 0.01)]:
            args = config(RewardConfig, temporary, len(PAIRS), max_length=None, center_rewards_coefficient=centering)
            model = AutoModelForSequenceClassification.from_pretrained(ROOT / "reward", dtype=torch.float32)
            trainer = RewardTrainer(model, args, train_dataset=Dataset.from_list(PAIRS), processing_class=tokenizer)
            keep(name, trainer, first(trainer), folder="reward")

        for name, settings in [
            ("dpo-sigmoid", dict(loss_type="sigmoid")),
            ("dpo-ipo", dict(loss_type="ipo")),
            ("dpo-hinge", dict(loss_type="hinge")),
        ]:
            args = config(DPOConfig, temporary, len(PAIRS), max_length=None, beta=0.1, **settings)
            trainer = DPOTrainer(language_model(), language_model(0.5), args=args, train_dataset=Dataset.from_list(PAIRS), processing_class=tokenizer)
            keep(name, trainer, first(trainer))

        for name, settings in [
            ("kto", dict(loss_type="kto", desirable_weight=1.5)),
            ("kto-apo-zero", dict(loss_type="apo_zero_unpaired")),
        ]:
            args = config(KTOConfig, temporary, len(RATINGS), max_length=None, beta=0.1, **settings)
            trainer = KTOTrainer(language_model(), language_model(0.5), args=args, train_dataset=Dataset.from_list(RATINGS), processing_class=tokenizer)
            keep(name, trainer, first(trainer))

        halves = (slice(0, 2), slice(2, 4))
        for kind in ("dapo", "dr_grpo", "grpo"):
            trainer, batch = policy_trainer(tokenizer, temporary, loss_type=kind)
            whole = keep("grpo-" + kind, trainer, batch)
            # Two batches of half the rows, as the accumulated steps of one update, come to the same.
            trainer, batch = policy_trainer(tokenizer, temporary, loss_type=kind, gradient_accumulation_steps=2)
            loss, grads = loss_and_gradients(trainer, [some_rows(batch, rows) for rows in halves])
            assert abs(loss - record["cases"]["grpo-" + kind]["loss"]) < 1e-6
            for key, grad in grads.items():
                torch.testing.assert_close(grad, whole[key])
        trainer, batch = policy_trainer(tokenizer, temporary, loss_type="bnpo", gradient_accumulation_steps=2)
        keep("grpo-bnpo", trainer, *[some_rows(batch, rows) for rows in halves])
        for kind in ("grpo", "dapo"):
            trainer, batch = policy_trainer(tokenizer, temporary, loss_type=kind, importance_sampling_level="sequence")
            keep(f"grpo-{kind}-sequence", trainer, batch)
    (ROOT / "record.json").write_text(json.dumps(record) + "\n")


main()
