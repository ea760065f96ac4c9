#include "text/minhash_kernel.h"

namespace athanor::text {
namespace {

#define ATHANOR_LEAST_PERMUTED(name)                                                                \
  void name(const uint64_t* hashes, size_t count, const uint64_t* factors, const uint64_t* addends, \
            uint64_t* least, size_t permutations) {                                                 \
    least_permuted_body(hashes, count, factors, addends, least, permutations);                      \
  }

ATHANOR_LEAST_PERMUTED(portable)
#if defined(__x86_64__)
[[gnu::target("avx2")]] ATHANOR_LEAST_PERMUTED(avx2)
    [[gnu::target("avx512f,avx512dq,avx512vl,prefer-vector-width=512")]] ATHANOR_LEAST_PERMUTED(avx512)
#endif
#undef ATHANOR_LEAST_PERMUTED

}  // namespace

std::vector<LeastPermuted> least_permuted_versions() {
  std::vector<LeastPermuted> versions{portable};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) versions.push_back(avx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    versions.push_back(avx512);
#endif
  return versions;
}

}  // namespace athanor::text
