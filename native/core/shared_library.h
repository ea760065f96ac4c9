// Libraries that are opened when they are first needed, from the places where people have them, so
// that one addon loads on every machine. A library stays open, because its functions may be
// referred to from anywhere.
#pragma once

#include <string>
#include <vector>

namespace athanor {

/// The names of a library and the places where it may be.
struct LibraryPlaces {
  const char* name;                 // for people, e.g. "cuBLASLt"
  const char* variable;             // environment variable with the only path to try
  std::vector<std::string> files;   // file names, the best first
  std::vector<std::string> wheels;  // folders of Python wheels below site-packages/nvidia
  const char* remedy;               // the command that installs it
};

class SharedLibrary {
 public:
  /// Tries, for each file name: the loader (LD_LIBRARY_PATH, ldconfig); CUDA_HOME, CUDA_PATH and
  /// /usr/local/cuda*; the Python wheels of VIRTUAL_ENV, CONDA_PREFIX, ~/.local, pyenv and the
  /// system. Throws ERR_CUDA_LIBRARY_MISSING with all places that were tried.
  explicit SharedLibrary(const LibraryPlaces& places);

  const std::string& path() const { return path_; }
  /// `Function` is a function type. Throws ERR_CUDA_LIBRARY_MISSING where the library has
  /// no such function.
  template <class Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(symbol(name));
  }

 private:
  void* symbol(const char* name) const;

  const char* name_;
  void* handle_ = nullptr;
  std::string path_;
};

}  // namespace athanor
