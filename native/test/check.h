// A test program without a framework, so that it also runs where there is only a compiler:
// TEST(name) { ... } with EXPECT(condition) and expect_near; main is in check.cpp.
#pragma once

#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace athanor::test {

struct TestCase {
  const char* name;
  void (*body)();
};
std::vector<TestCase>& test_cases();
void report_failure(const char* file, int line, const std::string& what);

struct Register {
  Register(const char* name, void (*body)()) { test_cases().push_back({name, body}); }
};

/// The root of the sum of squared differences, relative to that of the reference's squares;
/// infinite where one is NaN.
template <class A, class B>
double relative_error(const A& actual, const B& reference) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double d = static_cast<double>(actual[i]) - static_cast<double>(reference[i]);
    difference += d * d;
    size += static_cast<double>(reference[i]) * static_cast<double>(reference[i]);
  }
  const double error = std::sqrt(difference / (size + 1e-60));
  return std::isfinite(error) ? error : HUGE_VAL;
}

}  // namespace athanor::test

#define TEST(name)                                                            \
  static void test_##name();                                                  \
  static const ::athanor::test::Register register_##name(#name, test_##name); \
  static void test_##name()

#define EXPECT(condition)                                                              \
  do {                                                                                 \
    if (!(condition)) ::athanor::test::report_failure(__FILE__, __LINE__, #condition); \
  } while (false)

/// Fails with both numbers where the relative error of two arrays is above the limit.
#define EXPECT_CLOSE(actual, reference, limit)                                                              \
  do {                                                                                                      \
    const double error_ = ::athanor::test::relative_error(actual, reference);                               \
    if (!(error_ <= (limit)))                                                                               \
      ::athanor::test::report_failure(__FILE__, __LINE__,                                                   \
                                      #actual " differs by " + std::to_string(error_) + ", limit " #limit); \
  } while (false)
