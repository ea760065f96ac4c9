#include "core/shared_library.h"

#include <dlfcn.h>
#include <glob.h>
#include <link.h>

#include <cstdlib>

#include "core/error.h"

namespace athanor {
namespace {

const char* variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

/// Folders that may hold the library, as patterns for glob(3).
std::vector<std::string> folder_patterns(const LibraryPlaces& places) {
  std::vector<std::string> patterns;
  const auto add_toolkit = [&](const std::string& root) {
    for (const char* folder : {"/lib64", "/lib", "/targets/*-linux/lib"}) patterns.push_back(root + folder);
  };
  const auto add_python = [&](const std::string& root) {
    for (const char* packages : {"site-packages", "dist-packages"}) {
      for (const std::string& wheel : places.wheels) {
        patterns.push_back(root + "/lib/python3*/" + packages + "/nvidia/" + wheel + "/lib");
      }
    }
  };
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const char* root = variable(name)) add_toolkit(root);
  }
  add_toolkit("/usr/local/cuda*");
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    if (const char* root = variable(name)) add_python(root);
  }
  if (const char* home = variable("HOME")) {
    add_python(std::string(home) + "/.local");
    add_python(std::string(home) + "/.pyenv/versions/*");
  }
  add_python("/usr/local");
  add_python("/usr");
  return patterns;
}

std::vector<std::string> matches(const std::string& pattern) {
  std::vector<std::string> found;
  glob_t result{};
  if (glob(pattern.c_str(), 0, nullptr, &result) == 0) {
    for (size_t i = 0; i < result.gl_pathc; ++i) found.emplace_back(result.gl_pathv[i]);
  }
  globfree(&result);
  return found;
}

/// Opens libraries and remembers why the others could not be.
class Search {
 public:
  void* open(const std::string& path) {
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      const char* why = dlerror();
      add(why == nullptr ? path : why);
    }
    return handle;
  }
  void add(const std::string& line) { tried_ += "\n  " + line; }
  const std::string& tried() const { return tried_; }

 private:
  std::string tried_;
};

void* find(const LibraryPlaces& places, Search& search) {
  for (const std::string& file : places.files) {
    if (void* handle = search.open(file)) return handle;
  }
  const std::vector<std::string> patterns = folder_patterns(places);
  for (const std::string& file : places.files) {
    for (const std::string& pattern : patterns) {
      const std::vector<std::string> paths = matches(pattern + "/" + file);
      if (paths.empty()) search.add(pattern + "/" + file + ": no such file");
      for (const std::string& path : paths) {
        if (void* handle = search.open(path)) return handle;
      }
    }
  }
  return nullptr;
}

}  // namespace

SharedLibrary::SharedLibrary(const LibraryPlaces& places) : name_(places.name) {
  Search search;
  const char* chosen = variable(places.variable);
  handle_ = chosen != nullptr ? search.open(chosen) : find(places, search);
  if (handle_ == nullptr && chosen != nullptr) {
    fail_about(name_, ErrorCode::kCudaLibraryMissing, places.variable,
               " names a library that cannot be opened:", search.tried(),
               "\ncorrect it, or unset it to have the usual places searched");
  }
  if (handle_ == nullptr) {
    fail_about(name_, ErrorCode::kCudaLibraryMissing,
               "is not on this machine; install it with: ", places.remedy, "\nor set ", places.variable,
               " to the path of the library. Tried:", search.tried());
  }
  const link_map* map = nullptr;
  const bool has_path = dlinfo(handle_, RTLD_DI_LINKMAP, &map) == 0 && map != nullptr;
  path_ = has_path ? map->l_name : places.files.front();
}

void* SharedLibrary::symbol(const char* name) const {
  void* found = dlsym(handle_, name);
  if (found == nullptr) {
    fail_about(name_, ErrorCode::kCudaLibraryMissing, path_, " has no function ", name,
               "; it is too old, or not ", name_);
  }
  return found;
}

}  // namespace athanor
