// The ranks of a run, as one process sees them: a thread of its own that connects to the others and
// then runs operations in the order in which they were started.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "comm/collectives.h"
#include "core/tensor.h"

namespace athanor::comm {

/// An operation that was started. Its tensors belong to it until it is done.
class Work {
 public:
  bool is_done() const { return done_.load(); }
  /// Blocks the calling thread until the work is done.
  void wait() const { done_.wait(false); }
  /// From now on on_done hears of the work, unless it is_done() by then.
  void watch() { watched_.store(true); }
  /// Of a work that is done: throws its error.
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }
  /// Of gather(): the bytes of all ranks.
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  friend class Group;
  std::function<void(Work&)> body_;
  std::string text_;
  double seconds_ = 0;  // its limit
  std::vector<Tensor> tensors_;
  std::vector<std::string> texts_;
  std::exception_ptr failure_;
  std::atomic<bool> done_{false};
  std::atomic<bool> watched_{false};
};

struct GroupOptions {
  /// After it, an operation fails with ERR_COMM_TIMEOUT.
  std::chrono::duration<double> time_limit{600};
  /// For the meeting of the ranks, whose processes may start at different times.
  std::chrono::duration<double> connect_limit{600};
  /// Called on the group's thread as a work that is watched is done.
  std::function<void(const std::shared_ptr<Work>&)> on_done;
};

class Group {
 public:
  using Connect = std::function<std::unique_ptr<Transport>(const Limit&)>;

  /// `connect` runs on the group's thread, like every call of the transport: MPI demands it.
  Group(Connect connect, GroupOptions options);
  /// Stops an operation that is under way; it and those behind it fail.
  ~Group();

  /// The first work: after it rank() and size() are known.
  std::shared_ptr<Work> connected() const { return connected_; }
  int rank() const { return transport_->rank(); }
  int size() const { return transport_->size(); }

  /// Collectives on tensors of the CPU. `input` and `output` are the same tensor where the
  /// operation is in place. Throws ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_ARGUMENT.
  std::shared_ptr<Work> start(Collective kind, const Tensor& input, const Tensor& output, int root,
                              const std::string& name);
  /// Broadcasts of several tensors of one dtype, each from its own root.
  std::shared_ptr<Work> start_each(const std::vector<Tensor>& tensors, const std::vector<int>& roots,
                                   const std::string& name);
  std::shared_ptr<Work> gather(const std::string& mine, const std::string& name);
  /// After all operations; every rank calls it.
  std::shared_ptr<Work> close();

 private:
  std::shared_ptr<Work> queue(std::string text, std::function<void(Work&)> body,
                              std::vector<Tensor> tensors = {});
  void run_one(Work& work);
  /// Throws ERR_STATE, or the error of the meeting.
  void check_connected() const;
  Limit limit(std::chrono::duration<double> time) const;
  Limit limit() const { return limit(options_.time_limit); }

  GroupOptions options_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<Collectives> collectives_;
  std::shared_ptr<Work> connected_;
  std::exception_ptr broken_;  // the failure of every operation that follows
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Work>> waiting_;
  std::thread thread_;
};

}  // namespace athanor::comm
