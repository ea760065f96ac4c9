// Ranks that MPI's launcher started.
#pragma once

#include <memory>

#include "comm/transport.h"

namespace athanor::comm {

/// Starts MPI on the calling thread, which makes all its calls from then on; once per process.
/// Throws ERR_COMM_SETUP: this build has no MPI module, the library is missing, it is another one
/// than the module was built with, or `size`, which the launcher announced, is not MPI's own.
std::unique_ptr<Transport> connect_mpi(int size, const Limit& limit);

}  // namespace athanor::comm
