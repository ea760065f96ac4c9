#include "core/error.h"

namespace athanor {

const char* error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kArgument: return "ERR_ARGUMENT";
    case ErrorCode::kShape: return "ERR_SHAPE";
    case ErrorCode::kDtype: return "ERR_DTYPE";
    case ErrorCode::kDevice: return "ERR_DEVICE";
    case ErrorCode::kState: return "ERR_STATE";
    case ErrorCode::kOutOfMemory: return "ERR_OUT_OF_MEMORY";
    case ErrorCode::kFileMissing: return "ERR_FILE_MISSING";
    case ErrorCode::kFileDamaged: return "ERR_FILE_DAMAGED";
    case ErrorCode::kFormat: return "ERR_FORMAT";
    case ErrorCode::kIo: return "ERR_IO";
    case ErrorCode::kDiskFull: return "ERR_DISK_FULL";
    case ErrorCode::kCudaUnavailable: return "ERR_CUDA_UNAVAILABLE";
    case ErrorCode::kCudaLibraryMissing: return "ERR_CUDA_LIBRARY_MISSING";
    case ErrorCode::kNotFinite: return "ERR_NOT_FINITE";
    case ErrorCode::kMismatch: return "ERR_MISMATCH";
    case ErrorCode::kCommLost: return "ERR_COMM_LOST";
    case ErrorCode::kCommSetup: return "ERR_COMM_SETUP";
    case ErrorCode::kCommTimeout: return "ERR_COMM_TIMEOUT";
    case ErrorCode::kInternal: return "ERR_INTERNAL";
  }
  return "ERR_INTERNAL";
}

}  // namespace athanor
