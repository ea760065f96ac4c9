// What is used of nccl.h, with its values: the library is opened at run time. native/test/abi
// compares it with NVIDIA's header where that is.
#pragma once

#include <cstddef>

namespace athanor::comm::nccl {

struct CommOpaque;
using Comm = CommOpaque*;
struct UniqueId {
  char bytes[128];
};

enum Result : int {
  kSuccess = 0,
  kUnhandledCudaError = 1,
  kSystemError = 2,
  kInternalError = 3,
  kInvalidArgument = 4,
  kInvalidUsage = 5,
  kRemoteError = 6,
  kInProgress = 7,
};
enum DataType : int { kUint8 = 1, kInt32 = 2, kFloat32 = 7, kBfloat16 = 9 };
enum Operation : int { kSum = 0 };
using Stream = void*;  // a cudaStream_t

// The functions, by their names in the library.
using GetVersion = Result(int*);
using GetErrorString = const char*(Result);
using GetUniqueId = Result(UniqueId*);
using CommInitRank = Result(Comm*, int size, UniqueId, int rank);
using CommDestroy = Result(Comm);
using CommAbort = Result(Comm);
using CommGetAsyncError = Result(Comm, Result*);
using GroupStart = Result();
using GroupEnd = Result();
using AllReduce = Result(const void*, void*, size_t, DataType, Operation, Comm, Stream);
using ReduceScatter = Result(const void*, void*, size_t, DataType, Operation, Comm, Stream);
using AllGather = Result(const void*, void*, size_t, DataType, Comm, Stream);
using Broadcast = Result(const void*, void*, size_t, DataType, int, Comm, Stream);
using SendTo = Result(const void*, size_t, DataType, int, Comm, Stream);
using ReceiveFrom = Result(void*, size_t, DataType, int, Comm, Stream);

}  // namespace athanor::comm::nccl
