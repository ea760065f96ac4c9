// comm/nccl_abi.h against NVIDIA's header.
#include "comm/nccl_abi.h"

#include <nccl.h>

#include <type_traits>

namespace athanor::comm::nccl {

static_assert(sizeof(UniqueId) == sizeof(ncclUniqueId));
static_assert(static_cast<int>(kSuccess) == ncclSuccess &&
              static_cast<int>(kInvalidArgument) == ncclInvalidArgument);
static_assert(static_cast<int>(kInvalidUsage) == ncclInvalidUsage &&
              static_cast<int>(kRemoteError) == ncclRemoteError);
static_assert(static_cast<int>(kInProgress) == ncclInProgress);
static_assert(static_cast<int>(kUint8) == ncclUint8 && static_cast<int>(kInt32) == ncclInt32);
static_assert(static_cast<int>(kFloat32) == ncclFloat32 && static_cast<int>(kBfloat16) == ncclBfloat16);
static_assert(static_cast<int>(kSum) == ncclSum);

}  // namespace athanor::comm::nccl
