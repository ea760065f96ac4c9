// The collective operations over any transport. The bytes that travel and the order of sums are a
// function of the call alone, so every engine gives the same bits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/transport.h"
#include "core/tensor.h"
#include "kernels/elementwise.h"

namespace athanor::comm {

enum class Collective : uint8_t { kAllReduce, kReduceScatter, kAllGather, kAllToAll, kBroadcast, kGather };

/// One operation, equal on all ranks but for its memory.
struct Call {
  Collective kind = Collective::kAllReduce;
  DType dtype = DType::kF32;
  int root = 0;
  /// Of the larger tensor; 0 for kGather, whose sizes differ.
  uint64_t elements = 0;
  const std::byte* input = nullptr;
  std::byte* output = nullptr;
  /// What the caller names it, such as "gradients 3"; may be empty.
  std::string name;

  /// "allReduce of 8 f32"
  std::string text() const;
};

/// Throws ERR_SHAPE, ERR_DTYPE and ERR_ARGUMENT for tensors that the operation does not take.
/// `input` is `output` for an operation in place.
Call tensor_call(Collective kind, const Tensor& input, const Tensor& output, int root,
                 const std::string& name, int size);

/// Runs operations one after another; every rank runs the same ones.
class Collectives {
 public:
  explicit Collectives(Transport& transport) : transport_(transport) {}

  /// Throws ERR_MISMATCH where ranks started different operations, RanksLate and RankLost.
  void run(const Call& call, const Limit& limit);
  /// The bytes of all ranks, by rank.
  std::vector<std::string> gather(const Call& call, const std::string& mine, const Limit& limit);
  /// Returns when all ranks have come to this call: nothing of it has moved yet.
  void meet(const Call& call, const Limit& limit);

 private:
  void small_all_reduce(const Call& call, const Limit& limit);
  void all_reduce(const Call& call, const Limit& limit);
  void reduce_scatter(const Call& call, const Limit& limit);
  void all_gather(const std::byte* input, std::byte* output, size_t part_bytes, const Limit& limit);
  void all_to_all(const Call& call, const Limit& limit);
  void broadcast(const Call& call, const Limit& limit);
  /// Adds to `receives` a part of each other rank, and returns where they and the own one will be.
  SummedParts expect_parts(const std::byte* own, size_t elements, size_t width,
                           std::vector<Receive>& receives);

  Transport& transport_;
  uint64_t calls_ = 0;
  std::vector<std::byte> scratch_;
};

}  // namespace athanor::comm
