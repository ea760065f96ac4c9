#include "comm/group.h"

#include <sstream>

#include "core/error.h"

namespace athanor::comm {
namespace {

std::string rank_list(const std::vector<int>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (size_t i = 0; i < ranks.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(ranks[i]);
  return text;
}

std::string seconds_text(double seconds) {
  std::ostringstream text;
  text << seconds;
  return text.str();
}

}  // namespace

Group::Group(Connect connect, GroupOptions options) : options_(std::move(options)) {
  connected_ = queue("the meeting of the ranks", [this, connect = std::move(connect)](Work&) {
    transport_ = connect(limit(options_.connect_limit));
    collectives_ = std::make_unique<Collectives>(*transport_);
  });
  connected_->seconds_ = options_.connect_limit.count();
  thread_ = std::thread([this] {
    for (;;) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const std::shared_ptr<Work> work = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      run_one(*work);
      if (work->watched_.load() && options_.on_done) options_.on_done(work);
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

Limit Group::limit(std::chrono::duration<double> time) const {
  return Limit(std::chrono::duration_cast<Clock::duration>(time), stop_);
}

void Group::run_one(Work& work) {
  try {
    if (broken_) std::rethrow_exception(broken_);
    if (stop_) fail_about("", ErrorCode::kState, "the communicator was closed during ", work.text_);
    work.body_(work);
  } catch (const RanksLate& late) {
    const std::string what = stop_ ? "the communicator was closed during " + work.text_
                                   : rank_list(late.ranks) + " did not arrive at " + work.text_ + " within " +
                                         seconds_text(work.seconds_) + " s" + late.why +
                                         "; look at the last lines of that rank, or set "
                                         "ATHANOR_COMM_TIMEOUT to more seconds";
    work.failure_ = std::make_exception_ptr(Error(stop_ ? ErrorCode::kState : ErrorCode::kCommTimeout, what));
  } catch (const RankLost& lost) {
    const std::string what = "rank " + std::to_string(lost.rank) + " was lost during " + work.text_ + ": " +
                             lost.why + "; its own last lines say more";
    work.failure_ = std::make_exception_ptr(Error(ErrorCode::kCommLost, what));
  } catch (const std::exception&) {
    work.failure_ = std::current_exception();
  }
  if (work.failure_) broken_ = work.failure_;
  work.body_ = nullptr;
  work.tensors_.clear();
  work.done_.store(true);
  work.done_.notify_all();
}

std::shared_ptr<Work> Group::queue(std::string text, std::function<void(Work&)> body,
                                   std::vector<Tensor> tensors) {
  auto work = std::make_shared<Work>();
  work->text_ = std::move(text);
  work->seconds_ = options_.time_limit.count();
  work->body_ = std::move(body);
  work->tensors_ = std::move(tensors);
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(work);
  }
  wake_.notify_one();
  return work;
}

void Group::check_connected() const {
  expect(connected_->is_done(), ErrorCode::kState, "the communicator is not connected yet");
  connected_->rethrow();
}

std::shared_ptr<Work> Group::start(Collective kind, const Tensor& input, const Tensor& output, int root,
                                   const std::string& name) {
  check_connected();
  expect(is_host(input.device()), ErrorCode::kDevice, "expected tensors on the CPU");
  const Call call = tensor_call(kind, input, output, root, name, size());
  output.storage().mark_written();
  return queue(call.text(), [this, call](Work&) { collectives_->run(call, limit()); }, {input, output});
}

std::shared_ptr<Work> Group::start_each(const std::vector<Tensor>& tensors, const std::vector<int>& roots,
                                        const std::string& name) {
  check_connected();
  const Call call = pieces_call(tensors, roots, name, size());
  expect(is_host(tensors[0].device()), ErrorCode::kDevice, "expected tensors on the CPU");
  for (const Tensor& tensor : tensors) tensor.storage().mark_written();
  return queue(call.text(), [this, call](Work&) { collectives_->run(call, limit()); }, tensors);
}

std::shared_ptr<Work> Group::gather(const std::string& mine, const std::string& name) {
  const Call call{.kind = Collective::kGather, .dtype = DType::kU8, .name = name};
  return queue(call.text(),
               [this, call, mine](Work& work) { work.texts_ = collectives_->gather(call, mine, limit()); });
}

std::shared_ptr<Work> Group::close() {
  return queue("close", [this](Work&) {
    collectives_.reset();
    transport_->close();
    broken_ = std::make_exception_ptr(Error(ErrorCode::kState, "the communicator is closed"));
  });
}

}  // namespace athanor::comm
