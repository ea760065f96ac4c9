// A caching allocator: freed blocks are kept by size and handed out again, because returning a
// large activation to the system and touching it anew costs a page fault per 4 KiB, more than most
// kernels that write it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace athanor {

/// The end of every ERR_OUT_OF_MEMORY of a tensor.
inline constexpr const char* kMemoryRemedy =
    "lower the batch size or the context, accumulate more gradients instead, or turn on gradient "
    "checkpointing; a program of your own frees tensors with scope() and dispose()";

struct MemoryStats {
  uint64_t allocated_bytes;  // in use by tensors now
  uint64_t peak_bytes;       // the most that was in use at once
  uint64_t cached_bytes;     // freed and kept for reuse
  uint64_t limit_bytes;      // allocation beyond this throws ERR_OUT_OF_MEMORY
};

/// 64-byte aligned memory for at least `bytes`, uninitialised. Throws ERR_OUT_OF_MEMORY.
void* host_allocate(size_t bytes);
void host_free(void* pointer, size_t bytes) noexcept;
MemoryStats host_memory_stats();
void host_reset_peak();
/// Returns every cached block to the system.
void host_trim();
/// Replaces the limit (0: the default, nine tenths of the memory of the machine or its cgroup).
void host_set_memory_limit(uint64_t bytes);

}  // namespace athanor
