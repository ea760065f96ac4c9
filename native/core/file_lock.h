// An exclusive lock of the operating system on an open file. It belongs to the open file
// description: it ends when that is closed, also by the end of the process, however it ends.
#pragma once

#include <cstdint>

namespace athanor {

enum class FileLock {
  /// The lock was taken.
  kTaken,
  /// Another open file description has it, in this process or another.
  kHeld,
  /// The file system has no locks.
  kUnsupported,
};

/// Tries to lock an open file without waiting. Throws kIo.
FileLock lock_file(int64_t descriptor);

}  // namespace athanor
