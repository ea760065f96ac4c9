// How a thread pool divides work that each thread does alone before it waits for the others: by the
// speed that each thread had before.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace athanor {

class Shares {
 public:
  struct Share {
    size_t thread;  // that it was meant for
    int64_t begin, end;
  };

  explicit Shares(size_t threads)
      : speeds_(threads, 1.0), measured_(threads), bounds_(threads + 1), taken_(threads) {}

  void divide(int64_t count) {
    const double total = std::accumulate(speeds_.begin(), speeds_.end(), 0.0);
    double until = 0;
    for (size_t i = 0; i < speeds_.size(); ++i) {
      until += speeds_[i];
      bounds_[i + 1] = std::min<int64_t>(count, std::llround(until / total * static_cast<double>(count)));
      measured_[i] = 0;
      taken_[i].store(false, std::memory_order_relaxed);
    }
    bounds_.back() = count;
  }

  /// The thread's own share, or, where that is taken, the share of a thread that has not come yet.
  /// To be called once per thread.
  Share take(size_t thread) {
    size_t i = thread;
    while (taken_[i].exchange(true, std::memory_order_relaxed)) i = (i + 1) % taken_.size();
    return {i, bounds_[i], bounds_[i + 1]};
  }

  /// Notes the time that `thread` took for a share.
  void record(size_t thread, const Share& share, double seconds) {
    if (share.thread == thread && seconds > 0)
      measured_[thread] = static_cast<double>(share.end - share.begin) / seconds;
  }

  /// To be called after the last share of a division. Learns only where each thread did
  /// its own share.
  void learn() {
    if (std::find(measured_.begin(), measured_.end(), 0.0) != measured_.end()) return;
    const double mean =
        std::accumulate(measured_.begin(), measured_.end(), 0.0) / static_cast<double>(measured_.size());
    for (size_t i = 0; i < speeds_.size(); ++i) {
      const double now = std::clamp(measured_[i] / mean, kSlowest, kFastest);
      speeds_[i] += (now - speeds_[i]) * kLearning;
    }
  }

 private:
  // One disturbed step must not starve a thread in the next: a change takes about eight steps.
  static constexpr double kLearning = 1.0 / 8;
  static constexpr double kSlowest = 0.5, kFastest = 2;

  std::vector<double> speeds_, measured_;
  std::vector<int64_t> bounds_;
  std::vector<std::atomic<bool>> taken_;
};

}  // namespace athanor
