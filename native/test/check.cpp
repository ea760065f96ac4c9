// main: runs the tests whose names contain one of the arguments, or all; prints a line per test
// and a summary.
#include "test/check.h"

#include <chrono>
#include <cstring>
#include <exception>

#include "cuda/memory.h"

namespace athanor::test {
namespace {

int failures = 0;

bool is_chosen(const char* name, int count, char** words) {
  if (count <= 1) return true;
  for (int i = 1; i < count; ++i) {
    if (std::strstr(name, words[i]) != nullptr) return true;
  }
  return false;
}

}  // namespace

std::vector<TestCase>& test_cases() {
  static std::vector<TestCase> cases;
  return cases;
}

void report_failure(const char* file, int line, const std::string& what) {
  ++failures;
  const char* name = std::strrchr(file, '/');
  std::printf("  %s:%d: %s\n", name ? name + 1 : file, line, what.c_str());
}

int run_all(int count, char** words) {
  int ran = 0, failed = 0;
  for (const TestCase& test : test_cases()) {
    if (!is_chosen(test.name, count, words)) continue;
    const int before = failures;
    const auto start = std::chrono::steady_clock::now();
    try {
      test.body();
    } catch (const std::exception& error) {
      report_failure("exception", 0, error.what());
    }
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
    std::printf("%s %s (%.0f ms)\n", failures == before ? "ok  " : "FAIL", test.name, time.count());
    std::fflush(stdout);
    ++ran;
    failed += failures != before;
  }
  std::printf("%d tests, %d failed\n", ran, failed);
  return ran == 0 || failed != 0 ? 1 : 0;
}

}  // namespace athanor::test

int main(int count, char** words) {
  const athanor::DeviceStatus device = athanor::cuda::device_status();
  if (!device.available) {
    std::fprintf(stderr, "no GPU to test on: %s\n", device.detail.c_str());
    return 1;
  }
  std::printf("on %s\n", device.detail.c_str());
  return athanor::test::run_all(count, words);
}
