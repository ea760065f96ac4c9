// The collective operations over any transport. The bytes that travel and the order of sums are a
// function of the call alone, so every engine gives the same bits.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "comm/transport.h"
#include "core/tensor.h"
#include "kernels/elementwise.h"

namespace athanor::comm {

enum class Collective : uint8_t {
  kAllReduce,
  kReduceScatter,
  kAllGather,
  kAllToAll,
  kBroadcast,
  kGather,
  kBroadcastEach,
};

/// Memory that all ranks get from one.
struct Piece {
  std::byte* data;
  uint64_t elements;
  int root;
};

/// One operation, equal on all ranks but for its memory.
struct Call {
  Collective kind = Collective::kAllReduce;
  DType dtype = DType::kF32;
  /// The rank; of kBroadcastEach, how many pieces there are.
  int root = 0;
  /// Of the larger tensor, or of all pieces; 0 for kGather, whose sizes differ.
  uint64_t elements = 0;
  const std::byte* input = nullptr;
  std::byte* output = nullptr;
  /// Of kBroadcastEach.
  std::vector<Piece> pieces = {};
  /// What the caller names it, such as "gradients 3"; may be empty.
  std::string name;

  /// "allReduce of 8 f32"
  std::string text() const;
};

/// Throws ERR_SHAPE, ERR_DTYPE and ERR_ARGUMENT for tensors that the operation does not take.
/// `input` is `output` for an operation in place.
Call tensor_call(Collective kind, const Tensor& input, const Tensor& output, int root,
                 const std::string& name, int size);
/// A broadcast of each tensor from the rank of the same place in `roots`.
Call pieces_call(const std::vector<Tensor>& tensors, const std::vector<int>& roots, const std::string& name,
                 int size);

/// Runs operations one after another; every rank runs the same ones.
class Collectives {
 public:
  explicit Collectives(Transport& transport) : transport_(transport) {}

  /// Throws ERR_MISMATCH where ranks started different operations, RanksLate and RankLost.
  void run(const Call& call, const Limit& limit);
  /// The bytes of all ranks, by rank.
  std::vector<std::string> gather(const Call& call, const std::string& mine, const Limit& limit);

 private:
  /// Runs `body` with messages that let the ranks compare what they have started.
  void together(const Call& call, const Limit& limit, const std::function<void()>& body);
  void exchange(const std::vector<Send>& sends, const std::vector<Receive>& receives, const Limit& limit);
  void run_body(const Call& call, const Limit& limit);
  void small_all_reduce(const Call& call, const Limit& limit);
  void all_reduce(const Call& call, const Limit& limit);
  void reduce_scatter(const Call& call, const Limit& limit);
  void all_gather(const std::byte* input, std::byte* output, size_t part_bytes, const Limit& limit);
  void all_to_all(const Call& call, const Limit& limit);
  void broadcast(const Call& call, const Limit& limit);
  void broadcast_each(const Call& call, const Limit& limit);
  void gather_body(const std::string& mine, std::vector<std::string>& texts, const Limit& limit);
  /// Adds to `receives` a part of each other rank, and returns where they and the own one will be.
  SummedParts expect_parts(const std::byte* own, size_t elements, size_t width,
                           std::vector<Receive>& receives);

  Transport& transport_;
  uint64_t calls_ = 0;
  /// Of the operation under way, until its first exchange.
  const Opening* opening_ = nullptr;
  std::vector<std::byte> scratch_;
};

}  // namespace athanor::comm
