#pragma once

#include <optional>
#include <tuple>
#include <vector>

#include "core/tensor.h"

namespace athanor::ops {

struct AttentionForwardInputs {
  Tensor qkv;         // [n, (heads + 2 kv_heads) head_dim] f32 or bf16
  Tensor cu_seqlens;  // i32 [sequences + 1] from 0 to n
  int64_t heads, kv_heads;
  double scale;
  std::optional<int64_t> window = {};  // keys that a query sees, its own included; none: all
  std::optional<double> softcap = {};  // a score s counts as softcap tanh(s / softcap)
};

/// Returns out [n, heads head_dim] and lse f32 [n, heads].
std::tuple<Tensor, Tensor> attention_forward(const AttentionForwardInputs& in);

struct AttentionBackwardInputs {
  Tensor dout, qkv, out, lse, cu_seqlens;
  int64_t heads, kv_heads;
  double scale;
  std::optional<int64_t> window = {};
  std::optional<double> softcap = {};
};

/// -> dqkv.
Tensor attention_backward(const AttentionBackwardInputs& in);

/// Keys and values for `slots` sequences of up to max_tokens, uninitialised; the layout inside is
/// private to the backend.
std::tuple<Tensor, Tensor> kv_cache_create(int64_t slots, int64_t max_tokens, int64_t kv_heads,
                                           int64_t head_dim, DType dtype);
/// Throws ERR_ARGUMENT for a slot that the cache does not have or that is given twice.
void check_cache_slots(const Tensor& slots, const Tensor& cache);

struct AttentionCachedInputs {
  Tensor qkv;           // of the new tokens
  Tensor keys, values;  // of kv_cache_create
  Tensor slots;         // i32 [sequences]
  Tensor cu_seqlens;    // of the new tokens
  Tensor past_lengths;  // i32 [sequences]
  int64_t max_tokens, heads, kv_heads;
  double scale;
  std::optional<int64_t> window = {};
  std::optional<double> softcap = {};
};

/// Appends the new tokens' keys and values to the sequences' slots and attends to all of them.
/// Throws ERR_ARGUMENT when a slot would hold more than max_tokens.
Tensor attention_cached(const AttentionCachedInputs& in);

/// f32 [max_positions, width]: cosines of position frequency[i] / theta^(2 i / width), then sines
/// (Su et al., 2021, eq. 15), all times `magnitude`. `frequencies` are width / 2 factors. They and
/// the magnitude are 1 by default.
Tensor rope_table(int64_t max_positions, int64_t width, double theta,
                  const std::optional<std::vector<double>>& frequencies,
                  const std::optional<double>& magnitude);
/// Rotates the q and k heads of qkv in place: as many elements of each as the table is wide.
/// `inverse` turns the other way, as gradients do.
void rope(const Tensor& qkv, const Tensor& positions, const Tensor& table, int64_t heads, int64_t kv_heads,
          bool inverse);

}  // namespace athanor::ops
