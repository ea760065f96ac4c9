// The stand-in for NCCL refuses what NCCL's documentation forbids.
#include <dlfcn.h>

#include <cstdint>
#include <vector>

#include "comm/nccl_abi.h"
#include "test/check.h"

namespace athanor::test {
namespace {

using namespace comm::nccl;

template <class Function>
Function* function(const char* name) {
  static void* const library = dlopen(ATHANOR_FAKE_NCCL, RTLD_NOW | RTLD_LOCAL);
  return reinterpret_cast<Function*>(dlsym(library, name));
}

/// A communicator of one rank.
Comm lone_rank() {
  UniqueId id;
  Comm comm = nullptr;
  function<GetUniqueId>("ncclGetUniqueId")(&id);
  EXPECT(function<CommInitRank>("ncclCommInitRank")(&comm, 1, id, 0) == kSuccess);
  return comm;
}

}  // namespace

TEST(fake_nccl_refuses_what_is_forbidden) {
  const auto all_reduce = function<AllReduce>("ncclAllReduce");
  const auto all_gather = function<AllGather>("ncclAllGather");
  const auto broadcast = function<Broadcast>("ncclBroadcast");
  const auto send = function<SendTo>("ncclSend");
  const auto receive = function<ReceiveFrom>("ncclRecv");
  const auto group_start = function<GroupStart>("ncclGroupStart");
  const auto group_end = function<GroupEnd>("ncclGroupEnd");
  std::vector<float> memory(64);
  float* const data = memory.data();
  const Comm comm = lone_rank();
  EXPECT(all_reduce(data, data, 8, kFloat32, kSum, comm, nullptr) == kSuccess);
  // Memory that overlaps, none, and an address that is no multiple of the dtype
  EXPECT(all_reduce(data, data + 4, 8, kFloat32, kSum, comm, nullptr) == kInvalidArgument);
  EXPECT(all_reduce(nullptr, data, 8, kFloat32, kSum, comm, nullptr) == kInvalidArgument);
  EXPECT(all_reduce(reinterpret_cast<char*>(data) + 1, data + 32, 4, kFloat32, kSum, comm, nullptr) ==
         kInvalidArgument);
  EXPECT(all_gather(data + 1, data, 8, kFloat32, comm, nullptr) == kInvalidArgument);
  EXPECT(broadcast(data, data, 8, kFloat32, 1, comm, nullptr) == kInvalidArgument);
  EXPECT(send(data, 8, kFloat32, 0, comm, nullptr) == kInvalidUsage);  // outside of a group
  EXPECT(group_end() == kInvalidUsage);
  EXPECT(group_start() == kSuccess && send(data, 8, kFloat32, 1, comm, nullptr) == kInvalidArgument &&
         group_end() == kSuccess);
  // A send without its receive, and another count than was sent
  EXPECT(group_start() == kSuccess && send(data, 8, kFloat32, 0, comm, nullptr) == kSuccess &&
         group_end() == kInvalidArgument);
  const Comm other = lone_rank();
  EXPECT(group_start() == kSuccess && send(data, 8, kFloat32, 0, other, nullptr) == kSuccess &&
         receive(data + 8, 4, kFloat32, 0, other, nullptr) == kSuccess && group_end() == kInvalidArgument);
  EXPECT(function<CommDestroy>("ncclCommDestroy")(comm) == kSuccess);
  EXPECT(all_reduce(data, data, 8, kFloat32, kSum, comm, nullptr) == kInvalidArgument);
  EXPECT(function<CommDestroy>("ncclCommDestroy")(comm) == kInvalidArgument);
}

}  // namespace athanor::test
