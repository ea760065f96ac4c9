// athanor_mpi.so
#include "comm/mpi/module.h"

#include <mpi.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace athanor::comm {
namespace {

#define ATHANOR_TEXT_OF(x) #x
#define ATHANOR_TEXT(x) ATHANOR_TEXT_OF(x)
#if defined(OMPI_MAJOR_VERSION)
constexpr const char* kBuiltWith = "Open MPI " ATHANOR_TEXT(OMPI_MAJOR_VERSION) "." ATHANOR_TEXT(
    OMPI_MINOR_VERSION) "." ATHANOR_TEXT(OMPI_RELEASE_VERSION);
#elif defined(MPICH_VERSION)
constexpr const char* kBuiltWith = "MPICH " MPICH_VERSION;
#else
constexpr const char* kBuiltWith = "an unknown MPI";
#endif

/// MPI counts elements in an int.
constexpr size_t kMostBytes = size_t{1} << 30;
/// A wait polls so often, then it lets other threads have the core between two polls, and at last
/// it sleeps, so that it does not take the core of a thread that computes.
constexpr int kQuickPolls = 200, kYieldingPolls = 2000;
constexpr long kSleepNanoseconds = 20'000;
/// The time limit is asked for so often: reading the clock costs as much as a poll.
constexpr int kPollsPerQuestion = 16;

MPI_Comm ranks = MPI_COMM_NULL;
std::string problem;

const char* failure(const char* what, int status) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(status, text, &length);
  problem = std::string(what) + ": " + text;
  return problem.c_str();
}

const char* library() {
  static char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(text, &length);
  return text;
}

const char* start(int* rank, int* size) {
  int provided = MPI_THREAD_SINGLE;
  if (const int status = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
      status != MPI_SUCCESS) {
    return failure("MPI_Init_thread", status);
  }
  if (provided < MPI_THREAD_FUNNELED) return "this MPI was built without support for threads";
  if (const int status = MPI_Comm_dup(MPI_COMM_WORLD, &ranks); status != MPI_SUCCESS) {
    return failure("MPI_Comm_dup", status);
  }
  MPI_Comm_set_errhandler(ranks, MPI_ERRORS_RETURN);
  MPI_Comm_rank(ranks, rank);
  MPI_Comm_size(ranks, size);
  return nullptr;
}

void pause(int polls) {
  if (polls < kQuickPolls) return;
  const timespec time{0, kSleepNanoseconds};
  if (polls < kYieldingPolls)
    sched_yield();
  else
    nanosleep(&time, nullptr);
}

/// The requests of the messages; `owner` has the message of each.
struct Requests {
  std::vector<MPI_Request> handles;
  std::vector<size_t> owner;

  int add(const MpiMessage& message, size_t index) {
    auto* data = static_cast<char*>(message.data);
    for (size_t begin = 0; begin < message.bytes; begin += kMostBytes) {
      const int count = static_cast<int>(std::min(kMostBytes, message.bytes - begin));
      MPI_Request request = MPI_REQUEST_NULL;
      const int status = message.is_receive
                             ? MPI_Irecv(data + begin, count, MPI_BYTE, message.rank, 0, ranks, &request)
                             : MPI_Isend(data + begin, count, MPI_BYTE, message.rank, 0, ranks, &request);
      if (status != MPI_SUCCESS) return status;
      handles.push_back(request);
      owner.push_back(index);
    }
    return MPI_SUCCESS;
  }
};

/// Waits for the first `count` requests. `all_done` stays 0 where may_wait() said no.
const char* wait_for(Requests& requests, size_t count, const MpiExchange& control, int& all_done) {
  for (int polls = 0;; ++polls) {
    const int status =
        MPI_Testall(static_cast<int>(count), requests.handles.data(), &all_done, MPI_STATUSES_IGNORE);
    if (status != MPI_SUCCESS) return failure("MPI_Testall", status);
    if (all_done != 0) return nullptr;
    if (polls % kPollsPerQuestion == kPollsPerQuestion - 1 && !control.may_wait(control.context))
      return nullptr;
    pause(polls);
  }
}

const char* exchange(MpiMessage* messages, size_t count, const MpiExchange& control) {
  Requests requests;
  size_t opening = 0;  // requests of the first messages
  // Messages to a rank arrive in their order, so those of the opening come first on both sides.
  for (const auto& [begin, end] :
       {std::pair{size_t{0}, control.opening}, std::pair{control.opening, count}}) {
    for (const bool is_receive : {true, false}) {
      for (size_t i = begin; i < end; ++i) {
        if (messages[i].is_receive != is_receive) continue;
        if (const int status = requests.add(messages[i], i); status != MPI_SUCCESS)
          return failure(is_receive ? "MPI_Irecv" : "MPI_Isend", status);
      }
    }
    if (end == control.opening) opening = requests.handles.size();
  }
  int all_done = 0;
  const char* problem = wait_for(requests, opening, control, all_done);
  if (problem == nullptr && all_done != 0) {
    if (opening > 0 && !control.go_on(control.context)) return nullptr;
    problem = wait_for(requests, requests.handles.size(), control, all_done);
  }
  if (problem != nullptr) return problem;
  for (size_t i = 0; i < count; ++i) messages[i].is_done = true;
  for (size_t i = 0; all_done == 0 && i < requests.handles.size(); ++i) {
    int done = 0;
    MPI_Request_get_status(requests.handles[i], &done, MPI_STATUS_IGNORE);
    if (done == 0) messages[requests.owner[i]].is_done = false;
  }
  return nullptr;
}

const char* finish() {
  MPI_Comm_free(&ranks);
  const int status = MPI_Finalize();
  return status == MPI_SUCCESS ? nullptr : failure("MPI_Finalize", status);
}

}  // namespace

extern "C" __attribute__((visibility("default")))
const MpiModule athanor_mpi_module = {kMpiModuleVersion, kBuiltWith, library, start, exchange, finish};

}  // namespace athanor::comm
