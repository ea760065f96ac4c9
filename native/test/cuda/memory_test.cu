#include "cuda/memory.h"

#include "cuda/runtime/queue_log.h"
#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

TEST(what_is_copied_may_be_overwritten_at_once) {
  // Around the 4 MiB pieces in which the runtime sends it, and several of them.
  for (size_t count : {size_t{1}, (size_t{1} << 20) - 1, (size_t{1} << 20) + 1, (size_t{9} << 18) + 3}) {
    std::vector<int32_t> values = integers(count, 1000, 3);
    const std::vector<int32_t> sent = values;
    const DeviceArray<int32_t> first(values.size());
    for (int32_t round = 0; round < 3; ++round) {
      for (size_t i = 0; i < count; ++i) values[i] = sent[i] + round;
      cuda::copy_to_device(first, values.data(), count * sizeof(int32_t));
      std::fill(values.begin(), values.end(), -1);
    }
    const std::vector<int32_t> got = first.get();
    bool is_same = true;
    for (size_t i = 0; i < count; ++i) is_same = is_same && got[i] == sent[i] + 2;
    EXPECT(is_same);
  }
}

TEST(memory_in_use_is_counted) {
  const uint64_t before = cuda::memory_stats().allocated_bytes;
  void* const pointer = cuda::device_allocate(1 << 20);
  EXPECT(cuda::memory_stats().allocated_bytes >= before + (1 << 20));
  EXPECT(cuda::memory_stats().peak_bytes >= before + (1 << 20));
  cuda::device_free(pointer, 1 << 20);
  cuda::synchronize();
  EXPECT(cuda::memory_stats().allocated_bytes == before);
}

TEST(an_error_names_who_queued_work_before_it) {
  cuda::QueueLog log;
  EXPECT(log.suspects().empty());
  EXPECT(std::string(log.newest("synchronise")) == "synchronise");
  log.add("geluForward");
  EXPECT(std::string(log.newest("synchronise")) == "geluForward");
  EXPECT(log.suspects() == "; nothing else was queued");
  log.add("linearForward");
  log.add("geluForward");
  EXPECT(log.suspects().find("3 kernels were queued since the last wait, by linearForward, geluForward") !=
         std::string::npos);
  const char* const many[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
  for (const char* name : many) log.add(name);
  EXPECT(log.suspects().find("by others and a, b, c, d, e, f, g, h: run again with CUDA_LAUNCH_BLOCKING=1") !=
         std::string::npos);
  log.clear();
  EXPECT(log.suspects().empty());
}

}  // namespace
}  // namespace athanor::test
