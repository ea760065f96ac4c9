// The bytes between the ranks of a run: everything that an engine for CPUs has to provide. The
// collective operations are built on it (comm/collectives.h), so they are the same on every engine.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace athanor::comm {

using Clock = std::chrono::steady_clock;

/// How long an exchange may take.
class Limit {
 public:
  Limit(Clock::duration time, const std::atomic<bool>& stop) : end_(Clock::now() + time), stop_(stop) {}
  bool is_over() const { return stop_.load(std::memory_order_relaxed) || Clock::now() >= end_; }
  double seconds_left() const { return std::chrono::duration<double>(end_ - Clock::now()).count(); }

 private:
  Clock::time_point end_;
  const std::atomic<bool>& stop_;
};

/// Bytes to or from another rank. The messages between two ranks arrive in the order of sending.
struct Send {
  int rank;
  const std::byte* data;
  size_t bytes;
};
struct Receive {
  int rank;
  std::byte* data;
  size_t bytes;
};

/// Messages that go before the others of an exchange, one to and from each other rank.
struct Opening {
  std::vector<Send> sends;
  std::vector<Receive> receives;
  /// Runs for each rank whose message has arrived. What it throws ends the exchange: the other
  /// messages may have arrived or not.
  std::function<void(int rank)> check;
};

/// The limit was over before these ranks had sent or taken their bytes.
struct RanksLate {
  std::vector<int> ranks;
  /// What else is known, behind a colon; may be empty.
  std::string why = {};
};
/// The connection to a rank broke.
struct RankLost {
  int rank;
  std::string why;
};

class Transport {
 public:
  Transport() = default;
  virtual ~Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Does all at once, after `opening` where there is one, and returns when all is done. Messages
  /// of 0 bytes are left out. Throws RanksLate, RankLost and what the opening's check throws; after
  /// any of them the transport can only be closed.
  virtual void exchange(const Opening* opening, const std::vector<Send>& sends,
                        const std::vector<Receive>& receives, const Limit& limit) = 0;
  /// Ends the exchange after the last operation; all ranks do.
  virtual void close() = 0;
};

}  // namespace athanor::comm
