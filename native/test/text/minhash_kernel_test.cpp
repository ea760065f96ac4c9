// The inner loop of MinHash on each instruction set, against plain arithmetic.
#include "text/minhash_kernel.h"

#include <algorithm>
#include <random>
#include <vector>

#include "test/check.h"

namespace athanor::test {
namespace {

using text::kMersenne61;

/// Random numbers, and those at the bounds of the modulus and of 64 bits.
std::vector<uint64_t> numbers(size_t count, std::mt19937_64& random, uint64_t below) {
  std::vector<uint64_t> out{
      0, 1, kMersenne61 - 1, kMersenne61, kMersenne61 + 1, ~uint64_t{0}, ~uint64_t{0} - 1};
  while (out.size() < count) out.push_back(random());
  if (below > 0)
    for (uint64_t& number : out) number %= below;
  return out;
}

TEST(the_versions_of_minhash_agree_with_plain_arithmetic) {
  std::mt19937_64 random(1);
  for (const size_t count : {1, 2, 7, 100, 256}) {
    const size_t permutations = 7 * text::kPermutationLanes;
    std::vector<uint64_t> hashes = numbers(std::max<size_t>(count, 7), random, 0);
    std::shuffle(hashes.begin(), hashes.end(), random);
    hashes.resize(count);
    const std::vector<uint64_t> factors = numbers(permutations, random, kMersenne61);
    const std::vector<uint64_t> addends = numbers(permutations, random, kMersenne61);
    std::vector<uint64_t> wanted(permutations, ~uint64_t{0});
    for (size_t i = 0; i < permutations; ++i)
      for (const uint64_t hash : hashes)
        wanted[i] = std::min(wanted[i], (hash * factors[i] + addends[i]) % kMersenne61);
    for (const text::LeastPermuted version : text::least_permuted_versions()) {
      std::vector<uint64_t> least(permutations, ~uint64_t{0});
      version(hashes.data(), count, factors.data(), addends.data(), least.data(), permutations);
      EXPECT(least == wanted);
      // A smaller value from an earlier block stays.
      least.assign(permutations, 0);
      version(hashes.data(), count, factors.data(), addends.data(), least.data(), permutations);
      EXPECT(least == std::vector<uint64_t>(permutations, 0));
    }
  }
}

}  // namespace
}  // namespace athanor::test
