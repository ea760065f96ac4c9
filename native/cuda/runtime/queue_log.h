// Kernels run after the call that queued them has returned, so a kernel's error appears at a later
// call. This is the list of operations that queued work since the last wait without an error.
#pragma once

#include <algorithm>
#include <string>

namespace athanor::cuda {

class QueueLog {
 public:
  void add(const char* operation) {
    ++kernels_;
    const auto end = names_ + count_;
    const auto found = std::find_if(names_, end, [&](const char* name) { return name == operation; });
    if (found != end) {
      std::rotate(found, found + 1, end);  // the newest last
      return;
    }
    if (count_ == kNames) {
      std::rotate(names_, names_ + 1, end);
      --count_;
      has_forgotten_ = true;
    }
    names_[count_++] = operation;
  }
  void clear() { *this = QueueLog(); }

  /// The operation that an error is reported under: the newest, or `otherwise` where none is known.
  const char* newest(const char* otherwise) const {
    return count_ == 0 || *names_[count_ - 1] == '\0' ? otherwise : names_[count_ - 1];
  }

  /// The operations that may have caused an error that was just reported.
  std::string suspects() const {
    if (kernels_ == 0) return "";
    if (kernels_ == 1) return "; nothing else was queued";
    std::string text = "; " + std::to_string(kernels_) + " kernels were queued since the last wait, by ";
    if (has_forgotten_) text += "others and ";
    for (int i = 0; i < count_; ++i) {
      text += *names_[i] == '\0' ? "the engine" : names_[i];
      if (i + 1 < count_) text += ", ";
    }
    return text + ": run again with CUDA_LAUNCH_BLOCKING=1 to be told which it was";
  }

 private:
  static constexpr int kNames = 8;
  const char* names_[kNames] = {};
  int count_ = 0;
  long kernels_ = 0;
  bool has_forgotten_ = false;
};

}  // namespace athanor::cuda
