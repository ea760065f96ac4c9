"""Records what PyTorch computes of the losses of preference learning and PPO: values and gradients.

    python3 scripts/record-rl.py [FILE]        # default: test/fixtures/torch/losses.json

Developers run it; no test does. It needs torch. Inputs are f32 numbers, results f64 of the textbook formulas with
gradients by torch.autograd; every loss is a sum times 0.5.
"""

import json
import pathlib
import sys

import torch
from torch.nn import functional as F

SCALE = 0.5
LENGTHS = [5, 1, 0, 9, 12, 3]
TOKENS = sum(LENGTHS)


def normal(*shape, scale=1.0, mean=0.0):
    """f64 numbers that are exact in f32."""
    return (mean + scale * torch.randn(*shape)).float().double()


def numbers(value):
    return [float(f"{x:.12g}") for x in value.detach().double().flatten().tolist()]


def differentiate(loss, **inputs):
    grads = torch.autograd.grad(loss, list(inputs.values()))
    return {"loss": loss.item()} | {f"d_{name}": numbers(grad) for name, grad in zip(inputs, grads)}


def token_inputs():
    log_probs = normal(TOKENS, mean=-2)
    return {
        "log_probs": log_probs,
        "old_log_probs": (log_probs + normal(TOKENS, scale=0.4)).float().double(),
        "reference_log_probs": (log_probs + normal(TOKENS, scale=0.4)).float().double(),
        "advantages": normal(TOKENS),
        "entropies": normal(TOKENS, scale=0.3, mean=1.5),
        "rewards": normal(TOKENS),
        "values": normal(TOKENS),
        "old_values": normal(TOKENS, scale=0.5),
        "returns": normal(TOKENS),
    }


def policy_loss(x, clip_low, clip_high, dual_clip=None, entropy_coef=0.0, kl_coef=0.0):
    log_probs = x["log_probs"].clone().requires_grad_()
    entropies = x["entropies"].clone().requires_grad_()
    log_ratio = log_probs - x["old_log_probs"]
    ratio = log_ratio.exp()
    plain = -x["advantages"] * ratio
    clipped = -x["advantages"] * torch.clamp(ratio, 1 - clip_low, 1 + clip_high)
    loss = torch.max(plain, clipped)
    if dual_clip is not None:
        bound = -dual_clip * x["advantages"]
        loss = torch.where(x["advantages"] < 0, torch.min(loss, bound), loss)
    behind = x["reference_log_probs"] - log_probs
    loss = loss + kl_coef * (behind.exp() - behind - 1) - entropy_coef * entropies
    return {
        "clip_low": clip_low,
        "clip_high": clip_high,
        "dual_clip": dual_clip,
        "entropy_coef": entropy_coef,
        "kl_coef": kl_coef,
        "clipped": int((clipped > plain).sum()),
        "approx_kl": (0.5 * log_ratio**2).sum().item(),
    } | differentiate(SCALE * loss.sum(), log_probs=log_probs, entropies=entropies)


def value_loss(x, clip):
    values = x["values"].clone().requires_grad_()
    error = (values - x["returns"]) ** 2
    worst = error
    if clip is not None:
        near = torch.clamp(values, x["old_values"] - clip, x["old_values"] + clip)
        worst = torch.max(error, (near - x["returns"]) ** 2)
    clipped = int((worst > error).sum())
    return {"clip": clip, "clipped": clipped} | differentiate(SCALE * 0.5 * worst.sum(), values=values)


def gae(x, gamma, lam):
    advantages = []
    for rewards, values in zip(x["rewards"].split(LENGTHS), x["values"].split(LENGTHS)):
        last, backwards = torch.tensor(0.0, dtype=torch.float64), []
        following = torch.cat([values[1:], torch.zeros(1, dtype=torch.float64)])
        for t in reversed(range(len(rewards))):
            last = rewards[t] + gamma * following[t] - values[t] + gamma * lam * last
            backwards.append(last)
        advantages += backwards[::-1]
    advantages = torch.stack(advantages)
    return {
        "gamma": gamma,
        "lambda": lam,
        "advantages": numbers(advantages),
        "returns": numbers(advantages + x["values"]),
    }


def whiten(x):
    mean, variance = x.mean(), x.var(unbiased=False)
    return {
        "shifted": numbers((x - mean) * torch.rsqrt(variance + 1e-8)),
        "kept": numbers((x - mean) * torch.rsqrt(variance + 1e-8) + mean),
    }


def kl(x):
    d = x["log_probs"] - x["reference_log_probs"]
    return {"k1": numbers(d), "k2": numbers(d**2 / 2), "k3": numbers((-d).exp() - 1 + d)}


def ranking(centering):
    scores = normal(8, scale=2).requires_grad_()
    pairs = torch.tensor([[0, 1], [2, 0], [1, 2], [3, 7], [4, 5], [6, 0], [7, 0]])
    margins, weights = torch.rand(7).double().float().double(), torch.rand(7).float().double()
    better, worse = scores[pairs[:, 0]], scores[pairs[:, 1]]
    loss = -F.logsigmoid(better - worse - margins) + centering * (better + worse) ** 2
    return {
        "scores": numbers(scores),
        "pairs": pairs.flatten().tolist(),
        "margins": numbers(margins),
        "weights": numbers(weights),
        "centering": centering,
        "correct": int((better > worse).sum()),
    } | differentiate(SCALE * (weights * loss).sum(), scores=scores)


def dpo(beta):
    pairs = 7
    sums = normal(2 * pairs, scale=5, mean=-40).requires_grad_()
    reference = (sums.detach() + normal(2 * pairs, scale=4)).float().double()
    ratios = sums - reference
    lead = ratios[:pairs] - ratios[pairs:]
    losses = {
        "sigmoid": -F.logsigmoid(beta * lead),
        "smoothed": -F.logsigmoid(beta * lead) * 0.9 - F.logsigmoid(-beta * lead) * 0.1,
        "ipo": (lead - 1 / (2 * beta)) ** 2,
        "hinge": torch.relu(1 - beta * lead),
    }
    record = {"beta": beta, "sums": numbers(sums), "reference": numbers(reference)}
    record |= {"rewards": numbers(beta * ratios), "correct": int((lead > 0).sum())}
    for name, loss in losses.items():
        record[name] = differentiate(SCALE * loss.sum(), sums=sums)
    return record


def kto(beta, baseline):
    """The formula of TRL's KTOTrainer: chosen and rejected answers with their weights."""
    count = 9
    sums = normal(count, scale=5, mean=-40).requires_grad_()
    reference = (sums.detach() + normal(count, scale=4)).float().double()
    good = torch.rand(count) < 0.5
    ratios = sums - reference
    chosen = 1 - F.sigmoid(beta * (ratios - baseline))
    rejected = 1 - F.sigmoid(beta * (baseline - ratios))
    weights = torch.where(good, 1.25, -0.75)
    loss = torch.where(good, 1.25 * chosen, 0.75 * rejected)
    return {
        "beta": beta,
        "baseline": baseline,
        "sums": numbers(sums),
        "reference": numbers(reference),
        "weights": numbers(weights),
        "rewards": numbers(beta * ratios),
        "correct": int(torch.where(good, ratios > baseline, ratios < baseline).sum()),
    } | differentiate(SCALE * loss.sum(), sums=sums)


def linear_log_prob(temperature):
    """A head whose log-probabilities go into a policy loss with an entropy bonus."""
    rows, channels, vocabulary = 9, 6, 13
    hidden, weight = normal(rows, channels).requires_grad_(), normal(vocabulary, channels).requires_grad_()
    targets = torch.randint(vocabulary, (rows,))
    all_log_probs = F.log_softmax(hidden @ weight.T / temperature, dim=-1)
    log_probs = all_log_probs.gather(1, targets[:, None])[:, 0]
    entropies = torch.distributions.Categorical(logits=all_log_probs).entropy()
    old, advantages = (log_probs.detach() + normal(rows, scale=0.3)).float().double(), normal(rows)
    ratio = (log_probs - old).exp()
    loss = torch.max(-advantages * ratio, -advantages * ratio.clamp(0.8, 1.2)) - 0.1 * entropies
    return {
        "temperature": temperature,
        "channels": channels,
        "hidden": numbers(hidden),
        "weight": numbers(weight),
        "targets": targets.tolist(),
        "old_log_probs": numbers(old),
        "advantages": numbers(advantages),
        "log_probs": numbers(log_probs),
        "entropies": numbers(entropies),
    } | differentiate(SCALE * loss.sum(), hidden=hidden, weight=weight)


def segments(x):
    values = x["rewards"].clone().requires_grad_()
    sums = torch.stack([part.sum() for part in values.split(LENGTHS)])
    return {"sums": numbers(sums)} | differentiate((sums**2).sum(), rewards=values)


def main():
    default = pathlib.Path(__file__).resolve().parent.parent / "test" / "fixtures" / "torch" / "losses.json"
    target = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    torch.manual_seed(7)
    torch.set_num_threads(1)
    x = token_inputs()
    record = {
        "scale": SCALE,
        "starts": [sum(LENGTHS[:i]) for i in range(len(LENGTHS) + 1)],
        "tokens": {name: numbers(value) for name, value in x.items()},
        "policy_loss": [
            policy_loss(x, 0.2, 0.2),
            policy_loss(x, 0.2, 0.28, kl_coef=0.04),
            policy_loss(x, 0.1, 0.1, dual_clip=1.3, entropy_coef=0.01),
        ],
        "value_loss": [value_loss(x, 0.2), value_loss(x, None)],
        "gae": [gae(x, 1.0, 0.95), gae(x, 0.9, 0.8)],
        "whiten": whiten(x["rewards"]),
        "kl": kl(x),
        "ranking": [ranking(0.0), ranking(0.01)],
        "dpo": dpo(0.1),
        "linear_log_prob": [linear_log_prob(1.0), linear_log_prob(0.7)],
        "segments": segments(x),
        "kto": [kto(0.1, 0.0), kto(0.3, 1.5)],
    }
    # One entry per line, so that a changed formula shows as a changed line.
    rows = ",\n".join(f" {json.dumps(name)}: {json.dumps(value)}" for name, value in record.items())
    target.write_text(f"{{\n{rows}\n}}\n")
    print(f"{target}: {target.stat().st_size} bytes, torch {torch.__version__}")


if __name__ == "__main__":
    main()
