// What athanor_mpi.so gives the engine: MPI as plain functions. It is a library of its own, because
// only it needs MPI to be compiled and loaded.
#pragma once

#include <cstddef>
#include <cstdint>

namespace athanor::comm {

/// Grows with every change of the struct: a module of another build is refused.
constexpr uint32_t kMpiModuleVersion = 2;
constexpr const char* kMpiModuleSymbol = "athanor_mpi_module";

struct MpiMessage {
  void* data;
  size_t bytes;
  int rank;
  bool is_receive;
  bool is_done;
};

/// What the engine says during an exchange. Neither function throws.
struct MpiExchange {
  void* context;
  /// Asked again and again; the exchange ends early when it says no.
  bool (*may_wait)(void* context);
  /// So many messages, the first ones, have to be over before `go_on` is asked, once.
  size_t opening;
  bool (*go_on)(void* context);
};

/// Functions that fail return a text, which stays valid until the next call; otherwise null. All
/// are called on one thread.
struct MpiModule {
  uint32_t version;
  /// Of the headers: "Open MPI 4.1.4"
  const char* built_with;
  /// Of the library, in the words of MPI_Get_library_version; works before start().
  const char* (*library)();
  const char* (*start)(int* rank, int* size);
  /// Does all messages. Returns early, without an error, when a function of `control` says no;
  /// `is_done` tells which messages are over.
  const char* (*exchange)(MpiMessage* messages, size_t count, const MpiExchange& control);
  const char* (*finish)();
};

}  // namespace athanor::comm
