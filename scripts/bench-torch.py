"""The PyTorch side of `athanor bench --peer torch`: the same shapes, the best of eager and compile, one JSON line.

A GPT-2 written the way a careful PyTorch user would: fused attention, bf16 autocast or f32, fused AdamW, clipping.
"""
import argparse
import json
import math
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        batch, time_, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, time_, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(batch, time_, width))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, vocab, context, width, layers, heads):
        super().__init__()
        self.tokens = nn.Embedding(vocab, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocab, bias=False)
        self.head.weight = self.tokens.weight
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids, targets):
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1], device=ids.device))
        for block in self.blocks:
            x = block(x)
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1).float(), targets.flatten())


def wait(args):
    """A GPU works on after the call."""
    if args.device == "cuda":
        torch.cuda.synchronize()


def train(args, compiled):
    torch.manual_seed(0)
    model = Gpt(args.vocab, args.context, args.width, args.layers, args.heads).to(args.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    run = torch.compile(model) if compiled else model
    data = torch.randint(0, args.vocab, (args.batch, args.context + 1), device=args.device)

    def step():
        with torch.autocast(args.device, torch.bfloat16, enabled=args.dtype == "bf16"):
            loss = run(data[:, :-1], data[:, 1:])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for _ in range(args.warmup):
        step()
    wait(args)
    times = []
    for _ in range(args.steps):
        start = time.perf_counter()
        step()
        wait(args)
        times.append(time.perf_counter() - start)
    return args.batch * args.context / min(times)


def best_train(args):
    rates = {"eager": train(args, False)}
    if args.compile:
        try:
            rates["compile"] = train(args, True)
        except Exception as error:  # the compiler needs a working C++ toolchain of its own
            rates["compile_error"] = str(error).splitlines()[0][:200]
    numbers = {k: v for k, v in rates.items() if isinstance(v, float)}
    return {"tokens_per_second": max(numbers.values()), "modes": rates}


def generate(args):
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=args.vocab, n_positions=args.context, n_embd=args.width, n_layer=args.layers,
                        n_head=args.heads, bos_token_id=0, eos_token_id=0)
    model = GPT2LMHeadModel(config).eval()
    if args.dtype == "bf16":
        model = model.bfloat16()
    model = model.to(args.device)
    prompt = torch.randint(1, args.vocab, (args.batch, args.prompt), device=args.device)
    new = args.new_tokens

    def run():
        start = time.perf_counter()
        with torch.inference_mode():
            model.generate(prompt, do_sample=True, top_k=0, min_new_tokens=new, max_new_tokens=new, pad_token_id=0,
                           attention_mask=torch.ones_like(prompt))
        wait(args)
        return time.perf_counter() - start

    run()
    return {"tokens_per_second": args.batch * new / min(run() for _ in range(max(1, args.steps)))}


def gemm(args):
    dtype = torch.bfloat16 if args.dtype == "bf16" else torch.float32
    m, n, k = (int(size) for size in args.gemm.split("x"))
    x, w = (torch.randn(rows, k, dtype=dtype, device=args.device) for rows in (m, n))
    times = []
    with torch.inference_mode():
        for _ in range(10):
            start = time.perf_counter()
            F.linear(x, w)
            wait(args)
            times.append(time.perf_counter() - start)
    return {"flops_per_second": 2.0 * m * n * k / min(times)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["train", "generate", "gemm"])
    for name, default in dict(batch=8, context=256, vocab=256, width=384, layers=6, heads=6, steps=5, warmup=2,
                              threads=0, prompt=8, new_tokens=64).items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=default)
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--gemm", default="1024x1024x1024")
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    result = {"train": best_train, "generate": generate, "gemm": gemm}[args.what](args)
    result.update(torch=torch.__version__, threads=torch.get_num_threads())
    print(json.dumps({k: (None if isinstance(v, float) and math.isnan(v) else v) for k, v in result.items()}))


if __name__ == "__main__":
    main()
