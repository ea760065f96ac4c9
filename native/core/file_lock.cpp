#include "core/file_lock.h"

#include <sys/file.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace athanor {

FileLock lock_file(int64_t descriptor) {
  while (flock(static_cast<int>(descriptor), LOCK_EX | LOCK_NB) != 0) {
    switch (errno) {
      case EINTR: continue;
      case EWOULDBLOCK: return FileLock::kHeld;
      case ENOLCK:
      case ENOSYS:
      case EOPNOTSUPP: return FileLock::kUnsupported;
      default: fail(ErrorCode::kIo, "cannot lock the file: ", std::strerror(errno));
    }
  }
  return FileLock::kTaken;
}

}  // namespace athanor
