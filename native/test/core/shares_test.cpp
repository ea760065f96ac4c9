// Division of work by the speed of threads, on made-up times.
#include "core/shares.h"

#include <vector>

#include "test/check.h"

namespace athanor::test {
namespace {

/// Every thread does its own share, at the given items per second.
void work(Shares& shares, int64_t count, const std::vector<double>& speeds) {
  shares.divide(count);
  for (size_t i = 0; i < speeds.size(); ++i) {
    const Shares::Share share = shares.take(i);
    EXPECT(share.thread == i);
    shares.record(i, share, static_cast<double>(share.end - share.begin) / speeds[i]);
  }
  shares.learn();
}

std::vector<int64_t> lengths(Shares& shares, int64_t count, size_t threads) {
  shares.divide(count);
  std::vector<int64_t> out;
  int64_t until = 0;
  for (size_t i = 0; i < threads; ++i) {
    const Shares::Share share = shares.take(i);
    EXPECT(share.begin == until);
    until = share.end;
    out.push_back(share.end - share.begin);
  }
  EXPECT(until == count);
  return out;
}

}  // namespace

TEST(shares_start_equal_and_follow_the_speeds) {
  Shares shares(3);
  EXPECT((lengths(shares, 90, 3) == std::vector<int64_t>{30, 30, 30}));
  for (int i = 0; i < 60; ++i) work(shares, 90, {1, 2, 3});
  EXPECT((lengths(shares, 90, 3) == std::vector<int64_t>{15, 30, 45}));
  work(shares, 90, {1, 1, 1});
  // An eighth of the way to 32 each.
  EXPECT((lengths(shares, 96, 3) == std::vector<int64_t>{18, 32, 46}));
}

TEST(shares_starve_no_thread_and_need_not_be_all_there) {
  Shares shares(2);
  for (int i = 0; i < 60; ++i) work(shares, 64, {1, 1000});
  EXPECT((lengths(shares, 64, 2) == std::vector<int64_t>{13, 51}));  // 0.5 and 2 of 2.5
  EXPECT((lengths(shares, 1, 2) == std::vector<int64_t>{0, 1}));
  EXPECT((lengths(shares, 0, 2) == std::vector<int64_t>{0, 0}));
}

TEST(a_share_whose_thread_does_not_come_is_done_by_another_and_teaches_nothing) {
  Shares shares(2);
  shares.divide(10);
  for (int turn = 0; turn < 2; ++turn) {
    const Shares::Share share = shares.take(0);
    EXPECT(share.thread == static_cast<size_t>(turn) && share.begin == 5 * turn && share.end == 5 + 5 * turn);
    shares.record(0, share, 1.0 + turn);
  }
  shares.learn();
  EXPECT((lengths(shares, 10, 2) == std::vector<int64_t>{5, 5}));
}

}  // namespace athanor::test
