// Collectives between GPUs by NCCL, queued beside the kernels that compute.
#pragma once

#include <memory>
#include <string>

#include "comm/collectives.h"
#include "comm/nccl_abi.h"
#include "core/device_streams.h"
#include "core/tensor.h"

namespace athanor::comm {

class NcclRanks {
 public:
  /// An id for the constructor on all ranks; one rank asks for it. Throws ERR_CUDA_LIBRARY_MISSING,
  /// and ERR_COMM_SETUP where NCCL is too old.
  static std::string unique_id();

  /// Waits for all ranks. With `exact` sums are in rank order; otherwise NCCL sums, in an order of
  /// its own, and faster.
  NcclRanks(const std::string& id, int rank, int size, bool exact);
  ~NcclRanks();
  NcclRanks(const NcclRanks&) = delete;
  NcclRanks& operator=(const NcclRanks&) = delete;

  int size() const { return size_; }
  /// Queues the operation and returns its point in the queue. `call` was checked.
  DevicePoint* start(const Call& call);
  /// Throws ERR_COMM_LOST where NCCL reports a failure.
  void check_health() const;
  /// Ends operations that are stuck; the ranks can only be destroyed then.
  void abort() noexcept;

 private:
  struct Api;

  void queue(const Call& call);
  void exact_all_reduce(const Call& call);
  void exact_reduce_scatter(const Call& call);
  void exchange_parts(const Call& call);
  void broadcast_each(const Call& call);
  /// Bytes of the pieces of the rank that has most of them, rounded up.
  size_t longest_part(const Call& call) const;
  /// Device memory for what other ranks send: one part of `bytes` each. It lives until the next
  /// call that needs more, so that no queued work loses it.
  std::byte* parts_memory(size_t bytes);
  void check(nccl::Result result, const char* function) const;

  const Api& api_;
  int rank_, size_;
  bool exact_;
  nccl::Comm comm_ = nullptr;
  Tensor memory_;
};

}  // namespace athanor::comm
