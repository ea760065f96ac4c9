#include <map>
#include <memory>
#include <span>

#include "binding/native_class.h"
#include "comm/group.h"
#include "comm/mpi_transport.h"
#include "comm/nccl.h"
#include "comm/tcp_transport.h"

namespace athanor::binding {
namespace {

enum class Engine { kTcp, kMpi };

struct CommOptions {
  Engine engine;
  int rank;
  int size;
  std::string host;
  int port;
  double time_limit;
  double connect_limit;
};

/// A promise of nothing but the end of the work.
struct PromisedEnd : Napi::Promise {
  using Napi::Promise::Promise;
};
/// A promise of the bytes of all ranks; of nothing for a work on tensors.
struct PromisedBytes : Napi::Promise {
  using Napi::Promise::Promise;
};

}  // namespace

template <>
struct TypeText<PromisedEnd> {
  static std::string get() { return "Promise<void>"; }
};
template <>
struct TypeText<PromisedBytes> {
  static std::string get() { return "Promise<Uint8Array[]>"; }
};

}  // namespace athanor::binding

ATHANOR_WORDS(athanor::binding::Engine, {"tcp", athanor::binding::Engine::kTcp},
              {"mpi", athanor::binding::Engine::kMpi})
ATHANOR_FIELDS(athanor::binding::CommOptions, engine, rank, size, host, port, time_limit, connect_limit)
ATHANOR_WORDS(athanor::comm::Collective, {"allReduce", athanor::comm::Collective::kAllReduce},
              {"reduceScatter", athanor::comm::Collective::kReduceScatter},
              {"allGather", athanor::comm::Collective::kAllGather},
              {"allToAll", athanor::comm::Collective::kAllToAll},
              {"broadcast", athanor::comm::Collective::kBroadcast})

namespace athanor::binding {
namespace {

comm::Group::Connect connection(const CommOptions& options) {
  if (options.engine == Engine::kMpi)
    return [size = options.size](const comm::Limit& limit) { return comm::connect_mpi(size, limit); };
  const comm::TcpAddress address{options.rank, options.size, options.host, options.port};
  return [address](const comm::Limit& limit) { return comm::connect_tcp(address, limit); };
}

/// Of gather: what each rank gave. Nothing for other works.
std::vector<PackedNumbers<uint8_t>> bytes_of(const comm::Work& work) {
  std::vector<PackedNumbers<uint8_t>> all;
  for (const std::string& text : work.texts()) all.push_back({{text.begin(), text.end()}});
  return all;
}

/// Promises that are kept when a work of the group's thread is done.
class Waiters {
 public:
  explicit Waiters(Napi::Env env)
      : wake_(Napi::ThreadSafeFunction::New(env, Napi::Function(), "athanor communicator", 0, 1)) {
    wake_.Unref(env);
  }
  ~Waiters() { wake_.Abort(); }

  Napi::Promise add(Napi::Env env, std::shared_ptr<comm::Work> work, const char* operation) {
    const Waiter waiter{Napi::Promise::Deferred::New(env), operation};
    work->watch();
    if (work->is_done()) {
      settle(env, *work, waiter);
    } else {
      if (waiting_.empty()) wake_.Ref(env);
      waiting_.emplace(std::move(work), waiter);
    }
    return waiter.deferred.Promise();
  }
  /// On any thread.
  void notify(const std::shared_ptr<comm::Work>& work) {
    wake_.NonBlockingCall([this, work](Napi::Env env, Napi::Function) { finish(env, work); });
  }

 private:
  struct Waiter {
    Napi::Promise::Deferred deferred;
    const char* operation;
  };

  void finish(Napi::Env env, const std::shared_ptr<comm::Work>& work) {
    const auto [begin, end] = waiting_.equal_range(work);
    for (auto one = begin; one != end; ++one) settle(env, *work, one->second);
    if (begin == end) return;
    waiting_.erase(begin, end);
    if (waiting_.empty()) wake_.Unref(env);
  }

  static void settle(Napi::Env env, const comm::Work& work, const Waiter& waiter) {
    try {
      waiter.deferred.Resolve(guarded(waiter.operation, env, [&]() -> Napi::Value {
        work.rethrow();
        return to_js(env, bytes_of(work));
      }));
    } catch (const Napi::Error& error) {
      waiter.deferred.Reject(error.Value());
    }
  }

  Napi::ThreadSafeFunction wake_;
  std::multimap<std::shared_ptr<comm::Work>, Waiter> waiting_;
};

CommOptions keep_options(const CommOptions& options) {
  expect(options.size >= 1 && options.rank >= 0 && options.rank < options.size, ErrorCode::kArgument,
         "expected rank from 0 to ", options.size - 1, " but it is ", options.rank);
  return options;
}

class CommWrap : public NativeClass<CommWrap> {
 public:
  using Constructor = Bound<"NativeCommunicator(options)", &keep_options>;

  explicit CommWrap(const Napi::CallbackInfo& info) : NativeClass(info) {
    CommOptions options;
    construct<Constructor>(info, options);
    waiters_ = std::make_shared<Waiters>(info.Env());
    group_ = std::make_unique<comm::Group>(
        connection(options),
        comm::GroupOptions{
            .time_limit = std::chrono::duration<double>(options.time_limit),
            .connect_limit = std::chrono::duration<double>(options.connect_limit),
            .on_done = [waiters = waiters_.get()](const auto& work) { waiters->notify(work); }});
  }
  /// The thread of the group ends before what it notifies.
  ~CommWrap() override { group_.reset(); }

  PromisedEnd connect() { return promise<PromisedEnd>(group_->connected()); }
  int rank() { return group_->rank(); }
  int size() { return group_->size(); }
  int64_t start(comm::Collective operation, const Tensor& input, const Tensor& output, int root,
                const std::string& name) {
    started_.emplace(++last_, group_->start(operation, input, output, root, name));
    return last_;
  }
  int64_t start_each(const std::vector<Tensor>& tensors, const std::vector<int>& roots,
                     const std::string& name) {
    started_.emplace(++last_, group_->start_each(tensors, roots, name));
    return last_;
  }
  PromisedBytes wait(int64_t work) { return promise<PromisedBytes>(take(work)); }
  int64_t start_gather(const std::span<const uint8_t>& bytes, const std::string& name) {
    started_.emplace(++last_, group_->gather(std::string(bytes.begin(), bytes.end()), name));
    return last_;
  }
  PromisedBytes watch(int64_t work) { return promise<PromisedBytes>(find(work)->second); }
  std::vector<PackedNumbers<uint8_t>> block(int64_t work) {
    const std::shared_ptr<comm::Work> waited = take(work);
    waited->wait();
    waited->rethrow();
    return bytes_of(*waited);
  }
  PromisedEnd close() { return promise<PromisedEnd>(group_->close()); }

 private:
  using Started = std::map<int64_t, std::shared_ptr<comm::Work>>;

  Started::iterator find(int64_t work) {
    const auto found = started_.find(work);
    expect(found != started_.end(), ErrorCode::kState, "the work was waited for already");
    return found;
  }
  std::shared_ptr<comm::Work> take(int64_t work) {
    const auto found = find(work);
    std::shared_ptr<comm::Work> taken = std::move(found->second);
    started_.erase(found);
    return taken;
  }

  template <class Promised>
  Promised promise(const std::shared_ptr<comm::Work>& work) {
    const Napi::Promise made = waiters_->add(Env(), work, current_operation());
    return {made.Env(), made};
  }

  std::shared_ptr<Waiters> waiters_;
  std::unique_ptr<comm::Group> group_;
  Started started_;
  int64_t last_ = 0;
};

/// 128 bytes for NativeNccl on all ranks.
PackedNumbers<uint8_t> nccl_unique_id() {
  const std::string id = comm::NcclRanks::unique_id();
  return {{id.begin(), id.end()}};
}

std::unique_ptr<comm::NcclRanks> connect_nccl(const std::span<const uint8_t>& id, int rank, int size,
                                              bool exact) {
  return std::make_unique<comm::NcclRanks>(std::string(id.begin(), id.end()), rank, size, exact);
}

class NcclWrap : public NativeClass<NcclWrap> {
 public:
  using Constructor = Bound<"NativeNccl(id, rank, size, exact)", &connect_nccl>;

  explicit NcclWrap(const Napi::CallbackInfo& info) : NativeClass(info) {
    construct<Constructor>(info, ranks_);
  }

  int64_t start(comm::Collective operation, const Tensor& input, const Tensor& output, int root,
                const std::string& name) {
    expect(ranks_ != nullptr, ErrorCode::kState, "NCCL was closed");
    expect(!is_host(input.device()), ErrorCode::kDevice, "expected tensors on the GPU");
    const comm::Call call = comm::tensor_call(operation, input, output, root, name, ranks_->size());
    DevicePoint* const point = ranks_->start(call);
    output.storage().mark_written();
    started_.emplace(++last_, Started{point, {input, output}});
    return last_;
  }
  int64_t start_each(const std::vector<Tensor>& tensors, const std::vector<int>& roots,
                     const std::string& name) {
    expect(ranks_ != nullptr, ErrorCode::kState, "NCCL was closed");
    const comm::Call call = comm::pieces_call(tensors, roots, name, ranks_->size());
    expect(!is_host(tensors[0].device()), ErrorCode::kDevice, "expected tensors on the GPU");
    DevicePoint* const point = ranks_->start(call);
    for (const Tensor& tensor : tensors) tensor.storage().mark_written();
    started_.emplace(++last_, Started{point, tensors});
    return last_;
  }
  void wait(int64_t work) {
    const auto found = started_.find(work);
    expect(found != started_.end(), ErrorCode::kState, "the work was waited for already");
    const Started waited = std::move(found->second);
    started_.erase(found);
    ranks_->check_health();
    cuda::stream_backend().wait_for(waited.point);
  }
  void abort() {
    if (ranks_ != nullptr) ranks_->abort();
  }
  void close() { ranks_.reset(); }

 private:
  struct Started {
    DevicePoint* point;
    std::vector<Tensor> tensors;
  };

  std::unique_ptr<comm::NcclRanks> ranks_;
  std::map<int64_t, Started> started_;
  int64_t last_ = 0;
};

const Family comm_family([](Exports& exports) {
  CommWrap::define<CommWrap::Constructor>(
      exports, CommWrap::method<&CommWrap::connect, "NativeCommunicator.connect()">,
      CommWrap::method<&CommWrap::rank, "NativeCommunicator.rank()">,
      CommWrap::method<&CommWrap::size, "NativeCommunicator.size()">,
      CommWrap::method<&CommWrap::start, "NativeCommunicator.start(operation, input, output, root, name)">,
      CommWrap::method<&CommWrap::start_each, "NativeCommunicator.startEach(tensors, roots, name)">,
      CommWrap::method<&CommWrap::wait, "NativeCommunicator.wait(work)">,
      CommWrap::method<&CommWrap::block, "NativeCommunicator.block(work)">,
      CommWrap::method<&CommWrap::start_gather, "NativeCommunicator.startGather(bytes, name)">,
      CommWrap::method<&CommWrap::watch, "NativeCommunicator.watch(work)">,
      CommWrap::method<&CommWrap::close, "NativeCommunicator.close()">);
  bind<&nccl_unique_id, "ncclUniqueId()">(exports);
  NcclWrap::define<NcclWrap::Constructor>(
      exports, NcclWrap::method<&NcclWrap::start, "NativeNccl.start(operation, input, output, root, name)">,
      NcclWrap::method<&NcclWrap::start_each, "NativeNccl.startEach(tensors, roots, name)">,
      NcclWrap::method<&NcclWrap::wait, "NativeNccl.wait(work)">,
      NcclWrap::method<&NcclWrap::abort, "NativeNccl.abort()">,
      NcclWrap::method<&NcclWrap::close, "NativeNccl.close()">);
});

}  // namespace
}  // namespace athanor::binding
