"""Records what PyTorch and transformers compute for a small model of each family, for the tests to compare with.

    python3 scripts/record-torch.py [FOLDER [NAME ...]]     # default: test/fixtures/torch, every model

Developers run it when the fixtures have to change; no test does. It needs torch, transformers, safetensors, numpy.
For each model FOLDER/<name> gets
    config.json, generation_config.json, model.safetensors    as save_pretrained writes them
    record.safetensors       tokens and targets i32 [10, 2, 24]; logits [2, 24, V] and loss of the first batch; losses
                             and grad_norms [10] (norm before clipping) of ten steps
    gradients.safetensors    of the loss of the first batch, by transformers' names
    final.safetensors        parameters after the ten steps
Arithmetic is f32 on one thread, on the eager attention path. The optimizer is torch.optim.AdamW: lr 1e-3, betas 0.9
and 0.95, eps 1e-8, weight decay 0.1 on parameters of two dimensions or more, clipped to a norm of 1.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Olmo2Config,
    Olmo2ForCausalLM,
    Olmo3Config,
    Olmo3ForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

STEPS, BATCH, LENGTH, VOCABULARY = 10, 2, 24, 97

# What the models below have in common. No padding token: its row of the table would not train.
SMALL = dict(
    vocab_size=VOCABULARY, max_position_embeddings=32, hidden_size=32, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, intermediate_size=48, tie_word_embeddings=True,
    bos_token_id=0, eos_token_id=1, pad_token_id=None, attn_implementation="eager",
)  # fmt: skip


def scaled_llama(**rope):
    """One layer of Llama with heads of 16 channels, so that their eight frequencies lie far apart."""
    rope_parameters = {"rope_theta": 500.0, **rope}
    config = {**SMALL, "num_hidden_layers": 1, "head_dim": 16, "max_position_embeddings": 256}
    return LlamaForCausalLM(LlamaConfig(**config, rope_parameters=rope_parameters))


MODELS = {
    # n_inner is not 4 n_embd, so that a reader must use it.
    "gpt2": lambda: GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY, n_positions=32, n_embd=48, n_layer=2, n_head=3, n_inner=64,
            resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, bos_token_id=0, eos_token_id=1,
            attn_implementation="eager",
        )
    ),
    # Four query heads over two key heads, together 64 wide, which is not hidden_size. The rotary
    # base is not the default.
    "llama": lambda: LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY, max_position_embeddings=32, hidden_size=32, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, head_dim=16, intermediate_size=48,
            rope_parameters={"rope_type": "default", "rope_theta": 500.0}, rms_norm_eps=1e-5,
            bos_token_id=0, eos_token_id=1, attn_implementation="eager",
        )
    ),
    # Every bias that config.json can ask for.
    "llama-biases": lambda: LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY, max_position_embeddings=32, hidden_size=32, num_hidden_layers=1,
            num_attention_heads=4, num_key_value_heads=2, intermediate_size=48,
            attention_bias=True, mlp_bias=True, tie_word_embeddings=True,
            bos_token_id=0, eos_token_id=1, attn_implementation="eager",
        )
    ),
    "qwen2": lambda: Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=VOCABULARY, max_position_embeddings=32, hidden_size=32, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, intermediate_size=48,
            rope_parameters={"rope_type": "default", "rope_theta": 1e4}, tie_word_embeddings=True,
            bos_token_id=0, eos_token_id=1, attn_implementation="eager",
        )
    ),
    # Heads of 16 on a hidden size of 32: four heads are wider than the stream.
    "qwen3": lambda: Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=VOCABULARY, max_position_embeddings=32, hidden_size=32, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, head_dim=16, intermediate_size=48,
            rope_parameters={"rope_type": "default", "rope_theta": 1e6},
            bos_token_id=0, eos_token_id=1, attn_implementation="eager",
        )
    ),
    # The second layer rotates nothing.
    "smollm3": lambda: SmolLM3ForCausalLM(
        SmolLM3Config(
            vocab_size=VOCABULARY, max_position_embeddings=32, hidden_size=32, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, intermediate_size=48, no_rope_layer_interval=2,
            rope_parameters={"rope_type": "default", "rope_theta": 2e6},
            bos_token_id=0, eos_token_id=1, pad_token_id=None, attn_implementation="eager",
        )
    ),
    # One model for each type of rotary positions.
    "llama-linear": lambda: scaled_llama(rope_type="linear", factor=4.0),
    "llama-dynamic": lambda: scaled_llama(rope_type="dynamic", factor=4.0),
    # Of eight frequencies some stay, some are divided and some lie between.
    "llama-llama3": lambda: scaled_llama(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=128
    ),
    "llama-yarn": lambda: scaled_llama(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=64, beta_fast=8.0, beta_slow=2.0
    ),
    "llama-yarn-scales": lambda: scaled_llama(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=64, beta_fast=8.0, truncate=False,
        mscale=1.0, mscale_all_dim=0.5,
    ),
    # Windows much shorter than the sequences of 24.
    "mistral": lambda: MistralForCausalLM(MistralConfig(**SMALL, head_dim=16, sliding_window=7)),
    "qwen2-windows": lambda: Qwen2ForCausalLM(
        Qwen2Config(**SMALL, use_sliding_window=True, sliding_window=5, max_window_layers=1)
    ),
    "smollm3-windows": lambda: SmolLM3ForCausalLM(
        SmolLM3Config(**SMALL, no_rope_layer_interval=2, use_sliding_window=True, sliding_window=5)
    ),
    "olmo2": lambda: Olmo2ForCausalLM(Olmo2Config(**SMALL)),
    # Three layers with windows and the plain rotation, one without and with YaRN.
    "olmo3": lambda: Olmo3ForCausalLM(
        Olmo3Config(
            **{**SMALL, "num_hidden_layers": 4}, sliding_window=6,
            rope_parameters={
                "sliding_attention": {"rope_type": "default", "rope_theta": 700.0},
                "full_attention": {
                    "rope_type": "yarn", "rope_theta": 700.0, "factor": 4.0, "original_max_position_embeddings": 8,
                },
            },
        )
    ),
    # Caps low enough to bend scores and logits of the order of 1.
    "gemma2": lambda: Gemma2ForCausalLM(
        Gemma2Config(
            **SMALL, head_dim=16, query_pre_attn_scalar=24, sliding_window=6, attn_logit_softcapping=2.0,
            final_logit_softcapping=3.0,
        )
    ),
    "gemma3": lambda: Gemma3ForCausalLM(
        Gemma3TextConfig(
            **SMALL, head_dim=16, query_pre_attn_scalar=24, sliding_window=6,
            layer_types=["sliding_attention", "full_attention"],
            rope_parameters={
                "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
                "full_attention": {"rope_type": "linear", "rope_theta": 1e5, "factor": 2.0},
            },
        )
    ),
    # Six of eight channels rotate. All sequences are within the original context.
    "phi3": lambda: Phi3ForCausalLM(
        Phi3Config(
            **{**SMALL, "max_position_embeddings": 96}, original_max_position_embeddings=24, sliding_window=9,
            rope_parameters={
                "rope_type": "longrope", "rope_theta": 500.0, "partial_rotary_factor": 0.75,
                "short_factor": [1.0, 1.25, 1.5], "long_factor": [1.0, 2.0, 4.0],
            },
        )
    ),
    "gpt-neox": lambda: GPTNeoXForCausalLM(neox(True, "gelu")),
    "gpt-neox-sequential": lambda: GPTNeoXForCausalLM(neox(False, "gelu_new")),
}  # fmt: skip


def neox(parallel, activation):
    config = {key: value for key, value in SMALL.items() if key not in ("num_key_value_heads", "tie_word_embeddings")}
    return GPTNeoXConfig(
        **{**config, "num_attention_heads": 2}, hidden_act=activation, use_parallel_residual=parallel,
        rope_parameters={"rope_type": "default", "rope_theta": 700.0, "partial_rotary_factor": 0.25},
        attention_dropout=0.0, hidden_dropout=0.0,
    )  # fmt: skip


def randomize(model):
    """Larger weights than at the start of training, and norms and biases that matter: a mistake must show."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            if parameter.dim() > 1:
                parameter.copy_(0.12 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.1 * noise)
            else:
                parameter.copy_(1 + 0.1 * noise)


def loss_of(logits, targets):
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def by_name(model, value):
    return {name: value(parameter).detach().clone().contiguous() for name, parameter in model.named_parameters()}


def record(name, folder):
    torch.manual_seed(1234)
    model = MODELS[name]()
    randomize(model)
    model.train()
    model.save_pretrained(folder)

    stream = torch.randint(0, VOCABULARY, (STEPS, BATCH, LENGTH + 1))
    tokens, targets = stream[..., :-1], stream[..., 1:]

    logits = model(tokens[0]).logits
    loss = loss_of(logits, targets[0])
    loss.backward()
    save_file(by_name(model, lambda p: p.grad), folder / "gradients.safetensors")

    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8)
    losses, norms = [], []
    for step in range(STEPS):
        optimizer.zero_grad()
        step_loss = loss_of(model(tokens[step]).logits, targets[step])
        step_loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        losses.append(step_loss.item())
        optimizer.step()
    save_file(by_name(model, lambda p: p), folder / "final.safetensors")
    save_file(
        {
            "tokens": tokens.to(torch.int32).contiguous(),
            "targets": targets.to(torch.int32).contiguous(),
            "logits": logits.detach().contiguous(),
            "loss": loss.detach(),
            "losses": torch.tensor(losses),
            "grad_norms": torch.tensor(norms),
        },
        folder / "record.safetensors",
    )
    print(name, f"{sum(p.numel() for p in model.parameters())} parameters")
    print("  losses", " ".join(f"{value:.4f}" for value in losses))
    print("  norms ", " ".join(f"{value:.3f}" for value in norms))


def main():
    default = pathlib.Path(__file__).resolve().parent.parent / "test" / "fixtures" / "torch"
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in sys.argv[2:] or MODELS:
        (root / name).mkdir(parents=True, exist_ok=True)
        record(name, root / name)
    total = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    print(f"{root}: {total} bytes")


if __name__ == "__main__":
    main()
