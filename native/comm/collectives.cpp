#include "comm/collectives.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "comm/parts.h"
#include "core/error.h"

namespace athanor::comm {
namespace {

/// Bytes of a part that are summed at once: what was received is still in the cache then.
constexpr size_t kBlockBytes = size_t{1} << 20;
/// From here on a broadcast is a scatter and a gather, so that no rank sends all copies.
constexpr size_t kLargeBroadcast = size_t{1} << 16;
/// Up to here all ranks get all summands of an allReduce at once and sum them all themselves.
constexpr size_t kSmallSum = size_t{1} << 14;
constexpr size_t kAlignment = 64;

const char* name_of(Collective kind) {
  switch (kind) {
    case Collective::kAllReduce: return "allReduce";
    case Collective::kReduceScatter: return "reduceScatter";
    case Collective::kAllGather: return "allGather";
    case Collective::kAllToAll: return "allToAll";
    case Collective::kBroadcast: return "broadcast";
    case Collective::kGather: return "gather";
    case Collective::kBroadcastEach: return "broadcastEach";
  }
  return "?";
}

/// What the ranks tell each other of an operation before they begin with it.
struct Header {
  uint64_t number;
  uint64_t elements;
  uint32_t root;
  Collective kind;
  DType dtype;
  char name[42];

  bool fits(const Header& other) const {
    return number == other.number && elements == other.elements && root == other.root && kind == other.kind &&
           dtype == other.dtype && std::strncmp(name, other.name, sizeof name) == 0;
  }
  std::string text() const {
    const Call call{.kind = kind,
                    .dtype = dtype,
                    .root = static_cast<int>(root),
                    .elements = elements,
                    .name = std::string(name, strnlen(name, sizeof name))};
    return call.text();
  }
};
static_assert(sizeof(Header) == 64, "ranks with other compilers read the same bytes");

Header header_of(const Call& call, uint64_t number) {
  Header header{};
  header.number = number;
  header.elements = call.elements;
  header.root = static_cast<uint32_t>(call.root);
  header.kind = call.kind;
  header.dtype = call.dtype;
  std::strncpy(header.name, call.name.c_str(), sizeof header.name - 1);
  return header;
}

std::byte* bytes_of(void* pointer) { return static_cast<std::byte*>(pointer); }
const std::byte* bytes_of(const void* pointer) { return static_cast<const std::byte*>(pointer); }

void copy(std::byte* to, const std::byte* from, size_t bytes) {
  if (to != from && bytes > 0) std::memcpy(to, from, bytes);
}

void check(const Call& call, const Tensor& input, const Tensor& output, int size) {
  expect(input.dtype() == output.dtype(), ErrorCode::kDtype,
         "expected input and output of one dtype but got ", dtype_name(input.dtype()), " and ",
         dtype_name(output.dtype()));
  const bool sums = call.kind == Collective::kAllReduce || call.kind == Collective::kReduceScatter;
  expect(!sums || call.dtype == DType::kF32 || call.dtype == DType::kBF16, ErrorCode::kDtype,
         "expected f32 or bf16 but the tensor is ", dtype_name(call.dtype));
  const int64_t in = input.numel(), out = output.numel();
  switch (call.kind) {
    case Collective::kReduceScatter:
      expect(in == size * out, ErrorCode::kShape, "expected ", size, " parts of ", out,
             " elements but the whole has ", in);
      break;
    case Collective::kAllGather:
      expect(out == size * in, ErrorCode::kShape, "expected ", size, " parts of ", in,
             " elements but the whole has ", out);
      break;
    case Collective::kAllToAll:
      expect(in % size == 0 && out == in / size * (size - 1), ErrorCode::kShape, "expected ", size,
             " equal parts and an output of ", size - 1, " but they have ", in, " and ", out, " elements");
      break;
    default: expect(input.raw() == output.raw() && in == out, ErrorCode::kShape, "is an operation in place");
  }
  expect(call.root >= 0 && call.root < size, ErrorCode::kArgument, "expected root from 0 to ", size - 1,
         " but it is ", call.root);
}

}  // namespace

Call tensor_call(Collective kind, const Tensor& input, const Tensor& output, int root,
                 const std::string& name, int size) {
  const Tensor& larger = input.numel() > output.numel() ? input : output;
  const Call call{.kind = kind,
                  .dtype = input.dtype(),
                  .root = root,
                  .elements = static_cast<uint64_t>(larger.numel()),
                  .input = input.data<std::byte>(),
                  .output = output.data<std::byte>(),
                  .name = name};
  check(call, input, output, size);
  return call;
}

Call pieces_call(const std::vector<Tensor>& tensors, const std::vector<int>& roots, const std::string& name,
                 int size) {
  expect(!tensors.empty() && tensors.size() == roots.size(), ErrorCode::kArgument,
         "expected one root for each of ", tensors.size(), " tensors but got ", roots.size());
  Call call{.kind = Collective::kBroadcastEach, .dtype = tensors[0].dtype(), .name = name};
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i];
    expect(tensor.dtype() == call.dtype, ErrorCode::kDtype, "expected pieces of one dtype but got ",
           dtype_name(call.dtype), " and ", dtype_name(tensor.dtype()));
    expect(tensor.device() == tensors[0].device(), ErrorCode::kDevice, "expected pieces on one device");
    expect(roots[i] >= 0 && roots[i] < size, ErrorCode::kArgument, "expected root from 0 to ", size - 1,
           " but it is ", roots[i]);
    if (tensor.numel() == 0) continue;
    call.pieces.push_back({tensor.data<std::byte>(), static_cast<uint64_t>(tensor.numel()), roots[i]});
    call.elements += static_cast<uint64_t>(tensor.numel());
  }
  call.root = static_cast<int>(tensors.size());
  return call;
}

std::string Call::text() const {
  std::string text = name_of(kind);
  if (kind == Collective::kBroadcast) text += " from rank " + std::to_string(root);
  if (kind != Collective::kGather) text += " of " + std::to_string(elements) + " " + dtype_name(dtype);
  return name.empty() ? text : "'" + name + "' (" + text + ")";
}

// The messages of the comparison travel with those of the operation's first exchange, so that they
// cost no time of their own.
void Collectives::together(const Call& call, const Limit& limit, const std::function<void()>& body) {
  const Header mine = header_of(call, ++calls_);
  std::vector<Header> theirs(transport_.size());
  Opening opening;
  for (int r = 0; r < transport_.size(); ++r) {
    if (r == transport_.rank()) continue;
    opening.sends.push_back({r, bytes_of(&mine), sizeof mine});
    opening.receives.push_back({r, bytes_of(&theirs[r]), sizeof(Header)});
  }
  opening.check = [&](int r) {
    expect(theirs[r].fits(mine), ErrorCode::kMismatch, "operation ", mine.number, " is ", call.text(),
           " on rank ", transport_.rank(), " but ", theirs[r].text(), " on rank ", r,
           "; all ranks have to start the same operations in the same order");
  };
  opening_ = &opening;
  body();
  if (opening_ != nullptr) exchange({}, {}, limit);
}

void Collectives::exchange(const std::vector<Send>& sends, const std::vector<Receive>& receives,
                           const Limit& limit) {
  transport_.exchange(std::exchange(opening_, nullptr), sends, receives, limit);
}

void Collectives::run(const Call& call, const Limit& limit) {
  together(call, limit, [&] { run_body(call, limit); });
}

void Collectives::run_body(const Call& call, const Limit& limit) {
  const size_t bytes = call.elements * dtype_size(call.dtype);
  switch (call.kind) {
    case Collective::kAllReduce:
      return bytes <= kSmallSum ? small_all_reduce(call, limit) : all_reduce(call, limit);
    case Collective::kReduceScatter: return reduce_scatter(call, limit);
    case Collective::kAllGather: return all_gather(call.input, call.output, bytes / transport_.size(), limit);
    case Collective::kAllToAll: return all_to_all(call, limit);
    case Collective::kBroadcast: return broadcast(call, limit);
    case Collective::kBroadcastEach: return broadcast_each(call, limit);
    case Collective::kGather: return;  // gather() has results of its own
  }
}

SummedParts Collectives::expect_parts(const std::byte* own, size_t elements, size_t width,
                                      std::vector<Receive>& receives) {
  const size_t stride = (elements * width + kAlignment - 1) / kAlignment * kAlignment;
  scratch_.resize(std::max(scratch_.size(), stride * transport_.size()));
  for (int r = 0; r < transport_.size(); ++r)
    if (r != transport_.rank()) receives.push_back({r, scratch_.data() + r * stride, elements * width});
  return {scratch_.data(), static_cast<int64_t>(stride / width), own, transport_.rank(), transport_.size()};
}

void Collectives::small_all_reduce(const Call& call, const Limit& limit) {
  const size_t bytes = call.elements * dtype_size(call.dtype);
  std::vector<Send> sends;
  std::vector<Receive> receives;
  const SummedParts parts = expect_parts(call.output, call.elements, dtype_size(call.dtype), receives);
  for (int r = 0; r < transport_.size(); ++r)
    if (r != transport_.rank()) sends.push_back({r, call.output, bytes});
  exchange(sends, receives, limit);
  elementwise_kernels(Device{}).sum_parts(call.dtype, call.output, parts,
                                          static_cast<int64_t>(call.elements));
}

// Each rank sums its part of the tensor and sends the sums to all. It goes by blocks: the sums of a
// block travel together with the summands of the next one.
void Collectives::all_reduce(const Call& call, const Limit& limit) {
  const int size = transport_.size(), rank = transport_.rank();
  const ElementwiseKernels& kernels = elementwise_kernels(Device{});
  const size_t width = dtype_size(call.dtype), block = kBlockBytes / width;
  const size_t blocks = (part_of(call.elements, 0, size).size() + block - 1) / block;
  std::vector<Part> all(size);
  for (int r = 0; r < size; ++r) all[r] = part_of(call.elements, r, size);
  for (size_t b = 0; b <= blocks; ++b) {
    const Part mine = all[rank].block(b, block);
    std::vector<Send> sends;
    std::vector<Receive> receives;
    std::byte* const own = call.output + mine.begin * width;
    const SummedParts parts = expect_parts(own, mine.size(), width, receives);
    for (int r = 0; r < size; ++r) {
      if (r == rank) continue;
      const Part theirs = all[r].block(b, block);
      sends.push_back({r, call.output + theirs.begin * width, theirs.size() * width});
      if (b == 0) continue;
      const Part summed = all[rank].block(b - 1, block), others = all[r].block(b - 1, block);
      sends.push_back({r, call.output + summed.begin * width, summed.size() * width});
      receives.push_back({r, call.output + others.begin * width, others.size() * width});
    }
    exchange(sends, receives, limit);
    kernels.sum_parts(call.dtype, own, parts, static_cast<int64_t>(mine.size()));
  }
}

void Collectives::reduce_scatter(const Call& call, const Limit& limit) {
  const int size = transport_.size(), rank = transport_.rank();
  const ElementwiseKernels& kernels = elementwise_kernels(Device{});
  const size_t width = dtype_size(call.dtype), part = call.elements / size, block = kBlockBytes / width;
  for (size_t begin = 0; begin < part; begin += block) {
    const size_t count = std::min(block, part - begin);
    std::vector<Send> sends;
    std::vector<Receive> receives;
    const auto at = [&](int r) { return call.input + (r * part + begin) * width; };
    const SummedParts parts = expect_parts(at(rank), count, width, receives);
    for (int r = 0; r < size; ++r)
      if (r != rank) sends.push_back({r, at(r), count * width});
    exchange(sends, receives, limit);
    kernels.sum_parts(call.dtype, call.output + begin * width, parts, static_cast<int64_t>(count));
  }
}

void Collectives::all_gather(const std::byte* input, std::byte* output, size_t part_bytes,
                             const Limit& limit) {
  std::vector<Send> sends;
  std::vector<Receive> receives;
  for (int r = 0; r < transport_.size(); ++r) {
    if (r == transport_.rank()) continue;
    sends.push_back({r, input, part_bytes});
    receives.push_back({r, output + r * part_bytes, part_bytes});
  }
  copy(output + transport_.rank() * part_bytes, input, part_bytes);
  exchange(sends, receives, limit);
}

void Collectives::all_to_all(const Call& call, const Limit& limit) {
  const size_t part = call.elements * dtype_size(call.dtype) / transport_.size();
  std::vector<Send> sends;
  std::vector<Receive> receives;
  for (int r = 0; r < transport_.size(); ++r) {
    if (r == transport_.rank()) continue;
    sends.push_back({r, call.input + r * part, part});
    receives.push_back({r, call.output + place_among_others(r, transport_.rank()) * part, part});
  }
  exchange(sends, receives, limit);
}

void Collectives::broadcast_each(const Call& call, const Limit& limit) {
  std::vector<Send> sends;
  std::vector<Receive> receives;
  for (const Piece& piece : call.pieces) {
    const size_t bytes = piece.elements * dtype_size(call.dtype);
    if (piece.root != transport_.rank()) receives.push_back({piece.root, piece.data, bytes});
    for (int r = 0; r < transport_.size(); ++r)
      if (piece.root == transport_.rank() && r != piece.root) sends.push_back({r, piece.data, bytes});
  }
  exchange(sends, receives, limit);
}

void Collectives::broadcast(const Call& call, const Limit& limit) {
  const int size = transport_.size(), rank = transport_.rank();
  const size_t bytes = call.elements * dtype_size(call.dtype);
  const bool in_parts = size > 2 && bytes >= kLargeBroadcast;
  const auto part = [&](int r) { return in_parts ? part_of(bytes, r, size) : Part{0, bytes}; };
  std::vector<Send> sends;
  std::vector<Receive> receives;
  if (rank != call.root) receives.push_back({call.root, call.output + part(rank).begin, part(rank).size()});
  for (int r = 0; r < size; ++r)
    if (rank == call.root && r != rank) sends.push_back({r, call.output + part(r).begin, part(r).size()});
  exchange(sends, receives, limit);
  if (!in_parts) return;
  // Now rank r has part r, and the root has all of them.
  sends.clear();
  receives.clear();
  for (int r = 0; r < size; ++r) {
    if (r == rank) continue;
    if (r != call.root) sends.push_back({r, call.output + part(rank).begin, part(rank).size()});
    if (rank != call.root) receives.push_back({r, call.output + part(r).begin, part(r).size()});
  }
  exchange(sends, receives, limit);
}

std::vector<std::string> Collectives::gather(const Call& call, const std::string& mine, const Limit& limit) {
  std::vector<std::string> texts(transport_.size());
  together(call, limit, [&] { gather_body(mine, texts, limit); });
  return texts;
}

void Collectives::gather_body(const std::string& mine, std::vector<std::string>& texts, const Limit& limit) {
  const uint64_t length = mine.size();
  std::vector<uint64_t> lengths(transport_.size(), length);
  all_gather(bytes_of(&length), bytes_of(lengths.data()), sizeof length, limit);
  std::vector<Send> sends;
  std::vector<Receive> receives;
  for (int r = 0; r < transport_.size(); ++r) {
    texts[r].resize(lengths[r]);
    if (r == transport_.rank()) continue;
    sends.push_back({r, bytes_of(mine.data()), mine.size()});
    receives.push_back({r, bytes_of(texts[r].data()), lengths[r]});
  }
  exchange(sends, receives, limit);
  texts[transport_.rank()] = mine;
}

}  // namespace athanor::comm
