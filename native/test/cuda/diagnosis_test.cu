// A machine without a usable GPU must report the reason and the remedy.
#include "cuda/runtime/diagnosis.h"
#include "test/check.h"

namespace athanor::test {
namespace {

using cuda::DeviceFacts;

DeviceFacts good() {
  DeviceFacts facts;
  facts.driver_found = true;
  facts.driver_version = facts.runtime_version = 13000;
  facts.device_count = 1;
  facts.name = "NVIDIA H100";
  facts.capability_major = 9;
  return facts;
}

bool says(const DeviceFacts& facts, const char* text) {
  return cuda::explain(facts).find(text) != std::string::npos;
}

TEST(a_good_device_needs_no_explanation) { EXPECT(cuda::explain(good()).empty()); }

TEST(no_driver_is_told_from_an_old_one) {
  EXPECT(says(DeviceFacts{}, "no NVIDIA driver"));
  DeviceFacts old = good();
  old.driver_version = 12040;
  old.device_count = 0;
  EXPECT(says(old, "it knows CUDA 12.4 and this build was made with 13.0"));
  old.driver_version = 13010;  // newer in the same major version is fine
  old.device_count = 1;
  EXPECT(cuda::explain(old).empty());
}

TEST(no_gpu_names_the_variable_that_hides_it) {
  DeviceFacts none = good();
  none.device_count = 0;
  none.count_error = "no CUDA-capable device is detected";
  EXPECT(says(none, "no CUDA-capable device is detected"));
  EXPECT(says(none, "CUDA_VISIBLE_DEVICES"));
}

TEST(an_old_card_is_named_with_its_capability) {
  DeviceFacts old = good();
  old.name = "Tesla T4";
  old.capability_major = 7;
  old.capability_minor = 5;
  EXPECT(says(old, "Tesla T4 is too old: it has compute capability 7.5 and 8.0"));
}

TEST(busy_and_full_cards_differ) {
  DeviceFacts busy = good(), full = good(), other = good();
  busy.is_busy = full.is_out_of_memory = true;
  busy.start_error = full.start_error = other.start_error = "unknown error";
  EXPECT(says(busy, "exclusive mode"));
  EXPECT(says(full, "no memory left"));
  EXPECT(says(other, "unknown error"));
}

}  // namespace
}  // namespace athanor::test
