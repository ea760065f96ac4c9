// A stand-in for NCCL over host memory, between processes on this machine, so that the calls of
// comm/nccl.cpp run where there is no GPU. It refuses calls that the documentation forbids, and
// what would hang or be undefined on GPUs: ranks with different operations, sends and receives that
// do not meet, pointers that overlap or are not aligned. It sums from the last rank to the first,
// because callers may not rely on an order.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "comm/nccl_abi.h"
#include "comm/socket.h"
#include "comm/tcp_transport.h"
#include "core/dtype.h"

namespace athanor::comm::nccl {

constexpr uint64_t kAlive = 0x6e63636c66616b65;

struct CommOpaque {
  uint64_t state = kAlive;
  Result failure = kSuccess;
  std::unique_ptr<Transport> transport;
};

namespace {

enum class Kind : uint32_t { kAllReduce, kReduceScatter, kAllGather, kBroadcast, kGroup };

/// What the ranks compare before each operation.
struct Announcement {
  Kind kind;
  int32_t type, root;
  uint64_t count;

  bool operator==(const Announcement&) const = default;
};
/// What a rank sends to another one in a group, message by message.
struct Sizes {
  uint64_t sends = 0, bytes = 0;
};

struct Point {
  Comm comm;
  std::byte* data;
  size_t bytes;
  int peer;
  bool is_send;
};

thread_local int depth = 0;
thread_local std::vector<Point> group;
std::atomic<bool> never{false};

Limit limit() { return Limit(std::chrono::seconds(20), never); }

size_t width(DataType type) {
  switch (type) {
    case kUint8: return 1;
    case kBfloat16: return 2;
    default: return 4;
  }
}

bool is_type(DataType type) {
  return type == kUint8 || type == kInt32 || type == kFloat32 || type == kBfloat16;
}

Result check_comm(Comm comm) {
  if (comm == nullptr || comm->state != kAlive) return kInvalidArgument;  // also after destroy
  return comm->failure;
}

bool is_aligned(const void* pointer, DataType type) {
  return pointer != nullptr && reinterpret_cast<uintptr_t>(pointer) % width(type) == 0;
}

bool overlaps(const void* a, size_t a_bytes, const void* b, size_t b_bytes) {
  const auto x = reinterpret_cast<uintptr_t>(a), y = reinterpret_cast<uintptr_t>(b);
  return x < y + b_bytes && y < x + a_bytes;
}

/// Everyone to everyone: `mine[r]` goes to rank r.
template <class T>
std::vector<T> swap(Comm comm, const std::vector<T>& mine) {
  std::vector<T> theirs(mine);
  std::vector<Send> sends;
  std::vector<Receive> receives;
  for (int r = 0; r < comm->transport->size(); ++r) {
    if (r == comm->transport->rank()) continue;
    sends.push_back({r, reinterpret_cast<const std::byte*>(&mine[r]), sizeof(T)});
    receives.push_back({r, reinterpret_cast<std::byte*>(&theirs[r]), sizeof(T)});
  }
  comm->transport->exchange(nullptr, sends, receives, limit());
  return theirs;
}

/// Runs `body` when all ranks came with the same operation.
template <class Body>
Result together(Comm comm, const Announcement& mine, Body&& body) {
  if (depth > 0) return kInvalidUsage;  // legal, but not used: a group holds sends and receives
  try {
    const std::vector<Announcement> all(comm->transport->size(), mine);
    for (const Announcement& one : swap(comm, all)) {
      if (one != mine) return comm->failure = kInvalidArgument;
    }
    body();
    return kSuccess;
  } catch (...) {
    return comm->failure = kRemoteError;
  }
}

/// The inputs of all ranks.
std::vector<std::vector<std::byte>> gather(Comm comm, const void* input, size_t bytes) {
  Transport& transport = *comm->transport;
  std::vector<std::vector<std::byte>> all(transport.size(), std::vector<std::byte>(bytes));
  std::memcpy(all[transport.rank()].data(), input, bytes);
  std::vector<Send> sends;
  std::vector<Receive> receives;
  for (int r = 0; r < transport.size(); ++r) {
    if (r == transport.rank()) continue;
    sends.push_back({r, static_cast<const std::byte*>(input), bytes});
    receives.push_back({r, all[r].data(), bytes});
  }
  transport.exchange(nullptr, sends, receives, limit());
  return all;
}

template <class T>
void sum_backwards(const std::vector<std::vector<std::byte>>& all, size_t begin, void* out, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    float total = 0;
    for (size_t r = all.size(); r-- > 0;) {
      T value;
      std::memcpy(&value, all[r].data() + (begin + i) * sizeof(T), sizeof(T));
      total = to_float(from_float<T>(total + to_float(value)));
    }
    const T rounded = from_float<T>(total);
    std::memcpy(static_cast<std::byte*>(out) + i * sizeof(T), &rounded, sizeof(T));
  }
}

Result sum(const void* input, void* output, size_t begin, size_t count, size_t whole, DataType type,
           Comm comm) {
  const auto all = gather(comm, input, whole * width(type));
  if (type == kFloat32)
    sum_backwards<float>(all, begin, output, count);
  else
    sum_backwards<bf16>(all, begin, output, count);
  return kSuccess;
}

Result add_point(void* data, size_t count, DataType type, int peer, Comm comm, bool is_send) {
  if (const Result result = check_comm(comm); result != kSuccess) return result;
  if (depth == 0) return kInvalidUsage;  // alone it waits for a peer that waits in turn
  if (!is_type(type) || !is_aligned(data, type)) return kInvalidArgument;
  if (peer < 0 || peer >= comm->transport->size()) return kInvalidArgument;
  group.push_back({comm, static_cast<std::byte*>(data), count * width(type), peer, is_send});
  return kSuccess;
}

Result run_group(Comm comm, const std::vector<Point>& points) {
  const int size = comm->transport->size(), rank = comm->transport->rank();
  std::vector<Sizes> sent(size), awaited(size);
  std::vector<Send> sends;
  std::vector<Receive> receives;
  std::vector<Point> own[2];
  for (const Point& point : points) {
    Sizes& sizes = (point.is_send ? sent : awaited)[point.peer];
    ++sizes.sends;
    sizes.bytes = sizes.bytes * 31 + point.bytes;
    if (point.peer == rank)
      own[point.is_send].push_back(point);
    else if (point.is_send)
      sends.push_back({point.peer, point.data, point.bytes});
    else
      receives.push_back({point.peer, point.data, point.bytes});
  }
  const std::vector<Sizes> theirs = swap(comm, sent);
  for (int r = 0; r < size; ++r) {
    if (theirs[r].sends != awaited[r].sends || theirs[r].bytes != awaited[r].bytes) return kInvalidArgument;
  }
  for (size_t i = 0; i < own[0].size(); ++i) std::memcpy(own[0][i].data, own[1][i].data, own[0][i].bytes);
  comm->transport->exchange(nullptr, sends, receives, limit());
  return kSuccess;
}

}  // namespace

extern "C" {

Result ncclGetVersion(int* version) {
  const char* pretended = std::getenv("ATHANOR_FAKE_NCCL_VERSION");
  *version = pretended != nullptr ? std::atoi(pretended) : 23007;
  return kSuccess;
}
const char* ncclGetErrorString(Result result) {
  switch (result) {
    case kInvalidArgument: return "invalid argument";
    case kInvalidUsage: return "invalid usage";
    case kRemoteError: return "remote process exited or there was a network error";
    default: return "unhandled system error";
  }
}

/// The id is a free port, where rank 0 listens.
Result ncclGetUniqueId(UniqueId* id) {
  *id = {};
  const Socket listener = listen_on(0);
  const int port = port_of(listener);
  std::memcpy(id->bytes, &port, sizeof port);
  return kSuccess;
}

Result ncclCommInitRank(Comm* comm, int size, UniqueId id, int rank) {
  if (size < 1 || rank < 0 || rank >= size || depth > 0) return kInvalidArgument;
  int port = 0;
  std::memcpy(&port, id.bytes, sizeof port);
  try {
    auto made = std::make_unique<CommOpaque>();
    made->transport = connect_tcp({rank, size, "127.0.0.1", port}, limit());
    *comm = made.release();
    return kSuccess;
  } catch (...) {
    return kSystemError;
  }
}
Result ncclCommDestroy(Comm comm) {
  if (comm == nullptr || comm->state != kAlive) return kInvalidArgument;
  comm->state = 0;  // and stays, so that a later use is seen
  comm->transport.reset();
  return kSuccess;
}
Result ncclCommAbort(Comm comm) { return ncclCommDestroy(comm); }
Result ncclCommGetAsyncError(Comm comm, Result* result) {
  if (comm == nullptr || comm->state != kAlive) return kInvalidArgument;
  *result = comm->failure;
  return kSuccess;
}

Result ncclGroupStart() {
  ++depth;
  return kSuccess;
}
Result ncclGroupEnd() {
  if (depth == 0) return kInvalidUsage;
  if (--depth > 0) return kSuccess;
  const std::vector<Point> points = std::move(group);
  group.clear();
  if (points.empty()) return kSuccess;
  const Comm comm = points.front().comm;
  for (const Point& point : points)
    if (point.comm != comm) return kInvalidUsage;
  Result result = kSuccess;
  const Result met = together(comm, {Kind::kGroup, 0, 0, 0}, [&] { result = run_group(comm, points); });
  return met != kSuccess ? met : comm->failure = result;
}

Result ncclAllReduce(const void* input, void* output, size_t count, DataType type, Operation op, Comm comm,
                     Stream) {
  if (const Result result = check_comm(comm); result != kSuccess) return result;
  if (op != kSum || !is_aligned(input, type) || !is_aligned(output, type)) return kInvalidArgument;
  const size_t bytes = count * width(type);
  if (input != output && overlaps(input, bytes, output, bytes)) return kInvalidArgument;
  return together(comm, {Kind::kAllReduce, type, 0, count},
                  [&] { sum(input, output, 0, count, count, type, comm); });
}

Result ncclReduceScatter(const void* input, void* output, size_t count, DataType type, Operation op,
                         Comm comm, Stream) {
  if (const Result result = check_comm(comm); result != kSuccess) return result;
  if (op != kSum || !is_aligned(input, type) || !is_aligned(output, type)) return kInvalidArgument;
  const size_t size = comm->transport->size(), begin = count * comm->transport->rank();
  const bool in_place = output == static_cast<const std::byte*>(input) + begin * width(type);
  if (!in_place && overlaps(input, size * count * width(type), output, count * width(type))) {
    return kInvalidArgument;
  }
  return together(comm, {Kind::kReduceScatter, type, 0, count},
                  [&] { sum(input, output, begin, count, size * count, type, comm); });
}

Result ncclAllGather(const void* input, void* output, size_t count, DataType type, Comm comm, Stream) {
  if (const Result result = check_comm(comm); result != kSuccess) return result;
  if (!is_type(type) || !is_aligned(input, type) || !is_aligned(output, type)) return kInvalidArgument;
  const size_t bytes = count * width(type), size = comm->transport->size();
  const bool in_place = input == static_cast<std::byte*>(output) + comm->transport->rank() * bytes;
  if (!in_place && overlaps(input, bytes, output, size * bytes)) return kInvalidArgument;
  return together(comm, {Kind::kAllGather, type, 0, count}, [&] {
    const auto all = gather(comm, input, bytes);
    for (size_t r = 0; r < size; ++r)
      std::memcpy(static_cast<std::byte*>(output) + r * bytes, all[r].data(), bytes);
  });
}

Result ncclBroadcast(const void* input, void* output, size_t count, DataType type, int root, Comm comm,
                     Stream) {
  if (const Result result = check_comm(comm); result != kSuccess) return result;
  if (!is_type(type) || !is_aligned(input, type) || !is_aligned(output, type)) return kInvalidArgument;
  if (root < 0 || root >= comm->transport->size()) return kInvalidArgument;
  return together(comm, {Kind::kBroadcast, type, root, count}, [&] {
    const auto all = gather(comm, input, count * width(type));
    std::memcpy(output, all[root].data(), count * width(type));
  });
}

Result ncclSend(const void* data, size_t count, DataType type, int peer, Comm comm, Stream) {
  return add_point(const_cast<void*>(data), count, type, peer, comm, true);
}
Result ncclRecv(void* data, size_t count, DataType type, int peer, Comm comm, Stream) {
  return add_point(data, count, type, peer, comm, false);
}

}  // extern "C"

}  // namespace athanor::comm::nccl
