// The NVIDIA libraries that are opened at run time.
#pragma once

#include "core/shared_library.h"

namespace athanor {

/// The value of a library's variable that means: do without it.
constexpr const char* kNoLibrary = "none";
/// Matrix products. ATHANOR_CUBLASLT names its path, or is `none` for the engine's own kernels.
LibraryPlaces cublaslt_places();
/// Collectives between GPUs. ATHANOR_NCCL names its path.
LibraryPlaces nccl_places();

struct LibraryReport {
  std::string name;
  std::string version;  // empty where it is missing
  std::string path;
  std::string problem;  // empty where it is there
};
/// Opens each library and asks for its version; needs no GPU. Never throws.
std::vector<LibraryReport> cuda_library_reports();

}  // namespace athanor
