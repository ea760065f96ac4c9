#include "core/cuda_libraries.h"

#include <algorithm>
#include <cstdlib>
#include <exception>

// The major version of CUDA that the kernels are built with, by native/cuda/cuda.cmake: a library
// of another one may want a newer driver than the kernels do.
#ifndef ATHANOR_CUDA_MAJOR
#define ATHANOR_CUDA_MAJOR 13
#endif

namespace athanor {
namespace {

std::string dotted(size_t major, size_t minor, size_t patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

std::string cublaslt_version(const SharedLibrary& library) {
  const size_t version = library.function<size_t()>("cublasLtGetVersion")();
  return dotted(version / 10000, version / 100 % 100, version % 100);
}

std::string nccl_version(const SharedLibrary& library) {
  int version = 0;
  if (library.function<int(int*)>("ncclGetVersion")(&version) != 0) return "of an unknown version";
  const auto v = static_cast<size_t>(version);
  // Since 2.9 the number has two digits for each part, before that one.
  return v >= 10000 ? dotted(v / 10000, v / 100 % 100, v % 100) : dotted(v / 1000, v / 100 % 10, v % 100);
}

LibraryReport report(const LibraryPlaces& places, std::string (*version)(const SharedLibrary&)) {
  const char* named = std::getenv(places.variable);
  if (named != nullptr && std::string(named) == kNoLibrary) {
    return {places.name, "", "", std::string("not used: ") + places.variable + "=" + kNoLibrary};
  }
  try {
    const SharedLibrary library(places);
    return {places.name, version(library), library.path(), ""};
  } catch (const std::exception& error) {
    return {places.name, "", "", error.what()};
  }
}

}  // namespace

LibraryPlaces cublaslt_places() {
  LibraryPlaces places{"cuBLASLt",
                       "ATHANOR_CUBLASLT",
                       {"libcublasLt.so.13", "libcublasLt.so.12"},
                       {"cu13", "cublas"},
                       "pip install nvidia-cublas"};
  if constexpr (ATHANOR_CUDA_MAJOR < 13) {
    std::swap(places.files[0], places.files[1]);
    places.remedy = "pip install nvidia-cublas-cu12";
  }
  return places;
}

LibraryPlaces nccl_places() {
  return {"NCCL",
          "ATHANOR_NCCL",
          {"libnccl.so.2"},
          {"nccl"},
          ATHANOR_CUDA_MAJOR < 13 ? "pip install nvidia-nccl-cu12" : "pip install nvidia-nccl-cu13"};
}

std::vector<LibraryReport> cuda_library_reports() {
  return {report(cublaslt_places(), cublaslt_version), report(nccl_places(), nccl_version)};
}

}  // namespace athanor
