#include "comm/nccl.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "comm/parts.h"
#include "core/cuda_libraries.h"
#include "core/device_memory.h"
#include "core/error.h"
#include "kernels/elementwise.h"

namespace athanor::comm {

using namespace nccl;

namespace {

/// The first that is built for CUDA 12. Its bfloat16 and grouped sends are older.
constexpr int kOldest = 21800;
constexpr size_t kAlignment = 256;

DataType type_of(DType dtype) {
  switch (dtype) {
    case DType::kF32: return kFloat32;
    case DType::kBF16: return kBfloat16;
    case DType::kI32: return kInt32;
    case DType::kU8: return kUint8;
  }
  fail(ErrorCode::kInternal, "unknown dtype");
}

std::string dotted(int version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

}  // namespace

struct NcclRanks::Api {
  explicit Api(const SharedLibrary& library)
      : error_string(library.function<GetErrorString>("ncclGetErrorString")),
        unique_id(library.function<GetUniqueId>("ncclGetUniqueId")),
        init(library.function<CommInitRank>("ncclCommInitRank")),
        destroy(library.function<CommDestroy>("ncclCommDestroy")),
        abort(library.function<CommAbort>("ncclCommAbort")),
        async_error(library.function<CommGetAsyncError>("ncclCommGetAsyncError")),
        group_start(library.function<GroupStart>("ncclGroupStart")),
        group_end(library.function<GroupEnd>("ncclGroupEnd")),
        all_reduce(library.function<AllReduce>("ncclAllReduce")),
        reduce_scatter(library.function<ReduceScatter>("ncclReduceScatter")),
        all_gather(library.function<AllGather>("ncclAllGather")),
        broadcast(library.function<Broadcast>("ncclBroadcast")),
        send(library.function<SendTo>("ncclSend")),
        receive(library.function<ReceiveFrom>("ncclRecv")) {}

  static const Api& get() {
    static const Api* const api = [] {
      const LibraryPlaces places = nccl_places();
      const SharedLibrary library(places);
      int version = 0;
      library.function<GetVersion>("ncclGetVersion")(&version);
      if (version < kOldest) {
        fail_about("NCCL", ErrorCode::kCommSetup, library.path(), " is of version ",
                   version >= 10000 ? dotted(version) : "2.8 or older", " and ", dotted(kOldest),
                   " or later is needed; install it with: ", places.remedy);
      }
      return new Api(library);
    }();
    return *api;
  }

  GetErrorString* error_string;
  GetUniqueId* unique_id;
  CommInitRank* init;
  CommDestroy* destroy;
  CommAbort* abort;
  CommGetAsyncError* async_error;
  GroupStart* group_start;
  GroupEnd* group_end;
  AllReduce* all_reduce;
  ReduceScatter* reduce_scatter;
  AllGather* all_gather;
  Broadcast* broadcast;
  SendTo* send;
  ReceiveFrom* receive;
};

std::string NcclRanks::unique_id() {
  const Api& api = Api::get();
  UniqueId id;
  if (const Result result = api.unique_id(&id); result != kSuccess) {
    fail_about("NCCL", ErrorCode::kCommSetup, "ncclGetUniqueId: ", api.error_string(result));
  }
  return std::string(id.bytes, sizeof id.bytes);
}

NcclRanks::NcclRanks(const std::string& id, int rank, int size, bool exact)
    : api_(Api::get()), rank_(rank), size_(size), exact_(exact) {
  UniqueId unique{};
  expect(id.size() == sizeof unique, ErrorCode::kArgument, "expected an id of ", sizeof unique, " bytes");
  std::memcpy(&unique, id.data(), sizeof unique);
  device_synchronize({DeviceType::kCuda});  // the device of this thread is chosen by now
  if (const Result result = api_.init(&comm_, size, unique, rank); result != kSuccess) {
    fail_about("NCCL", ErrorCode::kCommSetup, "ncclCommInitRank: ", api_.error_string(result),
               "; two ranks on one GPU need NCCL 2.30 and NCCL_MULTI_RANK_GPU_ENABLE=1; NCCL_DEBUG=WARN says "
               "more");
  }
}

NcclRanks::~NcclRanks() {
  if (comm_ != nullptr) api_.destroy(comm_);
}

void NcclRanks::check(Result result, const char* function) const {
  if (result == kSuccess) return;
  fail_about("NCCL", ErrorCode::kCommLost, function, ": ", api_.error_string(result),
             "; NCCL_DEBUG=WARN says more");
}

void NcclRanks::check_health() const {
  expect(comm_ != nullptr, ErrorCode::kState, "NCCL was stopped after a failure");
  Result state = kSuccess;
  check(api_.async_error(comm_, &state), "ncclCommGetAsyncError");
  if (state != kInProgress) check(state, "an operation");
}

void NcclRanks::abort() noexcept {
  if (comm_ != nullptr) api_.abort(comm_);
  comm_ = nullptr;
}

DevicePoint* NcclRanks::start(const Call& call) {
  check_health();
  const size_t part = part_of(call.elements, 0, size_).size() * dtype_size(call.dtype);
  const bool sums = call.kind == Collective::kAllReduce || call.kind == Collective::kReduceScatter;
  if (exact_ && sums) parts_memory(part);
  if (call.kind == Collective::kBroadcastEach) parts_memory(longest_part(call));
  const StreamBackend& streams = cuda::stream_backend();
  streams.enter();
  try {
    queue(call);
  } catch (...) {
    streams.wait_for(streams.leave());
    throw;
  }
  return streams.leave();
}

void NcclRanks::queue(const Call& call) {
  const DataType type = type_of(call.dtype);
  const Stream stream = cuda::stream_backend().native_stream();
  const size_t part = call.elements / size_;
  switch (call.kind) {
    case Collective::kAllReduce:
      if (exact_) return exact_all_reduce(call);
      return check(api_.all_reduce(call.output, call.output, call.elements, type, kSum, comm_, stream),
                   "ncclAllReduce");
    case Collective::kReduceScatter:
      if (exact_) return exact_reduce_scatter(call);
      return check(api_.reduce_scatter(call.input, call.output, part, type, kSum, comm_, stream),
                   "ncclReduceScatter");
    case Collective::kAllGather:
      return check(api_.all_gather(call.input, call.output, part, type, comm_, stream), "ncclAllGather");
    case Collective::kBroadcast:
      return check(api_.broadcast(call.output, call.output, call.elements, type, call.root, comm_, stream),
                   "ncclBroadcast");
    case Collective::kAllToAll: return exchange_parts(call);
    case Collective::kBroadcastEach: return broadcast_each(call);
    case Collective::kGather: return;  // never on a device
  }
}

std::byte* NcclRanks::parts_memory(size_t bytes) {
  const size_t stride = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  const auto needed = static_cast<int64_t>(stride * size_);
  if (!memory_.defined() || memory_.numel() < needed) {
    device_synchronize({DeviceType::kCuda});
    memory_ = Tensor({needed}, DType::kU8, {DeviceType::kCuda});
  }
  return memory_.data<std::byte>();
}

// NCCL's own sums depend on its version and topology. So the parts travel as they are, and a kernel
// adds them up.
void NcclRanks::exact_all_reduce(const Call& call) {
  const DataType type = type_of(call.dtype);
  const Stream stream = cuda::stream_backend().native_stream();
  const size_t width = dtype_size(call.dtype), stride = part_of(call.elements, 0, size_).size();
  const size_t stride_bytes = (stride * width + kAlignment - 1) / kAlignment * kAlignment;
  const Part mine = part_of(call.elements, rank_, size_);
  std::byte* const own = call.output + mine.begin * width;
  check(api_.group_start(), "ncclGroupStart");
  for (int r = 0; r < size_; ++r) {
    const Part theirs = part_of(call.elements, r, size_);
    if (r == rank_) continue;
    std::byte* const to = memory_.data<std::byte>() + r * stride_bytes;
    if (theirs.size() > 0)
      check(api_.send(call.output + theirs.begin * width, theirs.size(), type, r, comm_, stream), "ncclSend");
    if (mine.size() > 0) check(api_.receive(to, mine.size(), type, r, comm_, stream), "ncclRecv");
  }
  check(api_.group_end(), "ncclGroupEnd");
  const SummedParts parts{memory_.raw(), static_cast<int64_t>(stride_bytes / width), own, rank_, size_};
  cuda::elementwise_kernels().sum_parts(call.dtype, own, parts, static_cast<int64_t>(mine.size()));
  check(api_.group_start(), "ncclGroupStart");
  for (int r = 0; r < size_; ++r) {
    const Part theirs = part_of(call.elements, r, size_);
    if (r == rank_) continue;
    if (mine.size() > 0) check(api_.send(own, mine.size(), type, r, comm_, stream), "ncclSend");
    if (theirs.size() > 0)
      check(api_.receive(call.output + theirs.begin * width, theirs.size(), type, r, comm_, stream),
            "ncclRecv");
  }
  check(api_.group_end(), "ncclGroupEnd");
}

void NcclRanks::exact_reduce_scatter(const Call& call) {
  const DataType type = type_of(call.dtype);
  const Stream stream = cuda::stream_backend().native_stream();
  const size_t width = dtype_size(call.dtype), part = call.elements / size_;
  const size_t stride_bytes = (part * width + kAlignment - 1) / kAlignment * kAlignment;
  if (part == 0) return;
  check(api_.group_start(), "ncclGroupStart");
  for (int r = 0; r < size_; ++r) {
    if (r == rank_) continue;
    check(api_.send(call.input + r * part * width, part, type, r, comm_, stream), "ncclSend");
    check(api_.receive(memory_.data<std::byte>() + r * stride_bytes, part, type, r, comm_, stream),
          "ncclRecv");
  }
  check(api_.group_end(), "ncclGroupEnd");
  const SummedParts parts{memory_.raw(), static_cast<int64_t>(stride_bytes / width),
                          call.input + rank_ * part * width, rank_, size_};
  cuda::elementwise_kernels().sum_parts(call.dtype, call.output, parts, static_cast<int64_t>(part));
}

void NcclRanks::exchange_parts(const Call& call) {
  const DataType type = type_of(call.dtype);
  const Stream stream = cuda::stream_backend().native_stream();
  const size_t part = call.elements / size_, bytes = part * dtype_size(call.dtype);
  if (part == 0) return;
  check(api_.group_start(), "ncclGroupStart");
  for (int r = 0; r < size_; ++r) {
    if (r == rank_) continue;
    check(api_.send(call.input + r * bytes, part, type, r, comm_, stream), "ncclSend");
    check(api_.receive(call.output + place_among_others(r, rank_) * bytes, part, type, r, comm_, stream),
          "ncclRecv");
  }
  check(api_.group_end(), "ncclGroupEnd");
}

// One gather, and no broadcasts: those would go around the ring of all GPUs one by one. The pieces
// of a rank travel as one part, as long as the longest.
void NcclRanks::broadcast_each(const Call& call) {
  const size_t stride = longest_part(call);
  if (stride == 0) return;
  const Device gpu{DeviceType::kCuda};
  std::byte* const all = memory_.data<std::byte>();
  const auto each_piece = [&](auto&& copy) {
    std::vector<size_t> at(size_);
    for (const Piece& piece : call.pieces) {
      const size_t bytes = piece.elements * dtype_size(call.dtype);
      copy(piece, all + piece.root * stride + at[piece.root], bytes);
      at[piece.root] += bytes;
    }
  };
  each_piece([&](const Piece& piece, std::byte* staged, size_t bytes) {
    if (piece.root == rank_) device_copy(gpu, staged, piece.data, bytes);
  });
  check(api_.all_gather(all + rank_ * stride, all, stride, kUint8, comm_,
                        cuda::stream_backend().native_stream()),
        "ncclAllGather");
  each_piece([&](const Piece& piece, const std::byte* staged, size_t bytes) {
    if (piece.root != rank_) device_copy(gpu, piece.data, staged, bytes);
  });
}

size_t NcclRanks::longest_part(const Call& call) const {
  std::vector<size_t> bytes(size_);
  for (const Piece& piece : call.pieces) bytes[piece.root] += piece.elements * dtype_size(call.dtype);
  const size_t longest = *std::max_element(bytes.begin(), bytes.end());
  return (longest + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace athanor::comm
