#include "comm/group.h"

#include "core/error.h"

namespace athanor::comm {
namespace {

std::string rank_list(const std::vector<int>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (size_t i = 0; i < ranks.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(ranks[i]);
  return text;
}

void check(const Call& call, const Tensor& input, const Tensor& output, int size) {
  expect(is_host(input.device()), ErrorCode::kDevice, "expected tensors on the CPU");
  expect(input.dtype() == output.dtype(), ErrorCode::kDtype, "expected input and output of one dtype but got ",
         dtype_name(input.dtype()), " and ", dtype_name(output.dtype()));
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
      expect(in == out && in % size == 0, ErrorCode::kShape, "expected tensors of ", size,
             " equal parts but they have ", in, " and ", out, " elements");
      break;
    default:
      expect(input.raw() == output.raw() && in == out, ErrorCode::kShape, "is an operation in place");
  }
  expect(call.root >= 0 && call.root < size, ErrorCode::kArgument, "expected root from 0 to ", size - 1,
         " but it is ", call.root);
}

}  // namespace

Group::Group(Connect connect, GroupOptions options) : options_(std::move(options)) {
  connected_ = queue("the connection to the other ranks", [this, connect = std::move(connect)](Work&) {
    transport_ = connect(limit());
    collectives_ = std::make_unique<Collectives>(*transport_);
  });
  thread_ = std::thread([this] {
    for (;;) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const std::shared_ptr<Work> work = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      run_one(*work);
      if (options_.on_done) options_.on_done(work);
    }
  });
}

Group::~Group() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

Limit Group::limit() const {
  return Limit(std::chrono::duration_cast<Clock::duration>(options_.time_limit), stop_);
}

void Group::run_one(Work& work) {
  try {
    if (!broken_.empty()) fail_about("", ErrorCode::kState, broken_);
    if (stop_) fail_about("", ErrorCode::kState, "the communicator was closed during ", work.text_);
    work.body_(work);
  } catch (const RanksLate& late) {
    const std::string what = stop_ ? "the communicator was closed during " + work.text_
                                   : rank_list(late.ranks) + " did not arrive at " + work.text_ + " within " +
                                         std::to_string(static_cast<int64_t>(options_.time_limit.count())) +
                                         " s; look at the last lines of that rank, or set "
                                         "ATHANOR_COMM_TIMEOUT to more seconds";
    work.failure_ = std::make_exception_ptr(Error(stop_ ? ErrorCode::kState : ErrorCode::kCommTimeout, what));
    broken_ = "an earlier operation failed: " + what;
  } catch (const RankLost& lost) {
    const std::string what = "rank " + std::to_string(lost.rank) + " was lost during " + work.text_ + ": " +
                             lost.why + "; its own last lines say more";
    work.failure_ = std::make_exception_ptr(Error(ErrorCode::kCommLost, what));
    broken_ = "an earlier operation failed: " + what;
  } catch (const std::exception& error) {
    work.failure_ = std::current_exception();
    if (broken_.empty()) broken_ = std::string("an earlier operation failed: ") + error.what();
  }
  work.body_ = nullptr;
  work.tensors_.clear();
  work.done_.store(true, std::memory_order_release);
}

std::shared_ptr<Work> Group::queue(std::string text, std::function<void(Work&)> body,
                                   std::vector<Tensor> tensors) {
  auto work = std::make_shared<Work>();
  work->text_ = std::move(text);
  work->body_ = std::move(body);
  work->tensors_ = std::move(tensors);
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(work);
  }
  wake_.notify_one();
  return work;
}

std::shared_ptr<Work> Group::start(Collective kind, const Tensor& input, const Tensor& output, int root,
                                   const std::string& name) {
  expect(connected_->is_done(), ErrorCode::kState, "the communicator is not connected yet");
  connected_->rethrow();
  const Tensor& larger = input.numel() > output.numel() ? input : output;
  const Call call{.kind = kind,
                  .dtype = input.dtype(),
                  .root = root,
                  .elements = static_cast<uint64_t>(larger.numel()),
                  .input = input.data<std::byte>(),
                  .output = output.data<std::byte>(),
                  .name = name};
  check(call, input, output, size());
  output.storage().mark_written();
  return queue(
      call.text(), [this, call](Work&) { collectives_->run(call, limit()); }, {input, output});
}

std::shared_ptr<Work> Group::gather(const std::string& mine, const std::string& name) {
  const Call call{.kind = Collective::kGather, .dtype = DType::kU8, .name = name};
  return queue(call.text(), [this, call, mine](Work& work) {
    work.texts_ = collectives_->gather(call, mine, limit());
  });
}

std::shared_ptr<Work> Group::close() {
  return queue("close", [this](Work&) {
    collectives_.reset();
    transport_->close();
    broken_ = "the communicator is closed";
  });
}

}  // namespace athanor::comm
