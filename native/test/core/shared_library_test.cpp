// Where libraries are looked for, and the message when they are not found.
#include "core/shared_library.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/cuda_libraries.h"
#include "core/error.h"
#include "test/check.h"

namespace athanor::test {
namespace {

constexpr const char* kFile = "libathanor_nowhere.so.1";

LibraryPlaces places() {
  return {"Nowhere", "ATHANOR_NOWHERE", {kFile}, {"other", "nowhere"}, "pip install nowhere"};
}

std::string failure() {
  try {
    const SharedLibrary library(places());
    return "opened " + library.path();
  } catch (const Error& error) {
    return std::string(error_code_name(error.code())) + " " + error.what();
  }
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Sets a variable until the end of a scope.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    const char* old = std::getenv(name);
    if (old != nullptr) old_ = old;
    had_ = old != nullptr;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() { had_ ? setenv(name_, old_.c_str(), 1) : unsetenv(name_); }

 private:
  const char* name_;
  std::string old_;
  bool had_ = false;
};

/// A folder with a library in it, as pip or an installer would leave it. The library is a copy,
/// since the loader takes a link to a loaded library for the same library.
class Installed {
 public:
  explicit Installed(const std::string& below) {
    char name[] = "/tmp/athanor_libraries_XXXXXX";
    root = mkdtemp(name);
    std::filesystem::create_directories(root + "/" + below);
    file = root + "/" + below + "/" + kFile;
    std::filesystem::copy_file(ATHANOR_FAKE_CUBLASLT, file);
  }
  ~Installed() { std::filesystem::remove_all(root); }
  std::string root, file;
};

TEST(a_missing_library_says_what_was_tried_and_what_installs_it) {
  const Variable toolkit("CUDA_HOME", "/nonexistent/toolkit"), python("VIRTUAL_ENV", "/nonexistent/venv");
  const std::string text = failure();
  EXPECT(has(text, "ERR_CUDA_LIBRARY_MISSING [Nowhere] is not on this machine"));
  EXPECT(has(text, "pip install nowhere"));
  EXPECT(has(text, "or set ATHANOR_NOWHERE"));
  EXPECT(has(text, "libathanor_nowhere.so.1: cannot open shared object file"));
  EXPECT(has(text, "/nonexistent/toolkit/lib64/libathanor_nowhere.so.1: no such file"));
  EXPECT(has(text, "/usr/local/cuda*/targets/*-linux/lib/libathanor_nowhere.so.1: no such file"));
  EXPECT(
      has(text, "/nonexistent/venv/lib/python3*/site-packages/nvidia/nowhere/lib/libathanor_nowhere.so.1"));
}

TEST(a_library_is_found_in_toolkits_and_wheels) {
  {
    const Installed toolkit("targets/x86_64-linux/lib");
    const Variable variable("CUDA_PATH", toolkit.root);
    EXPECT(SharedLibrary(places()).path() == toolkit.file);
  }
  const Installed wheel("lib/python3.99/site-packages/nvidia/nowhere/lib");
  const Variable variable("CONDA_PREFIX", wheel.root);
  EXPECT(SharedLibrary(places()).path() == wheel.file);
}

TEST(a_file_that_is_no_library_is_passed_over_and_told) {
  const Installed broken("lib64"), good("lib/python3.99/site-packages/nvidia/other/lib");
  std::ofstream(broken.file) << "not a library";
  const Variable toolkit("CUDA_HOME", broken.root);
  EXPECT(has(failure(), broken.file + ": file too short") || has(failure(), "invalid ELF header"));
  const Variable python("VIRTUAL_ENV", good.root);
  EXPECT(SharedLibrary(places()).path() == good.file);
}

TEST(a_variable_is_never_overridden) {
  const Installed toolkit("lib64");
  const Variable variable("CUDA_HOME", toolkit.root), named("ATHANOR_NOWHERE", "/nonexistent/library.so");
  const std::string text = failure();
  EXPECT(has(text, "ATHANOR_NOWHERE names a library that cannot be opened"));
  EXPECT(has(text, "/nonexistent/library.so: cannot open shared object file"));
  const Variable right("ATHANOR_NOWHERE", ATHANOR_FAKE_CUBLASLT);
  EXPECT(SharedLibrary(places()).path() == ATHANOR_FAKE_CUBLASLT);
}

TEST(a_function_that_a_library_lacks_is_named) {
  const Variable named("ATHANOR_NOWHERE", ATHANOR_FAKE_CUBLASLT);
  const SharedLibrary library(places());
  try {
    library.function<void()>("athanor_no_such_function");
    EXPECT(false);
  } catch (const Error& error) {
    EXPECT(error.code() == ErrorCode::kCudaLibraryMissing);
    EXPECT(has(error.what(), "has no function athanor_no_such_function"));
  }
}

TEST(reports_tell_version_place_or_problem) {
  const Variable cublaslt("ATHANOR_CUBLASLT", ATHANOR_FAKE_CUBLASLT), nccl("ATHANOR_NCCL", kNoLibrary);
  const std::vector<LibraryReport> reports = cuda_library_reports();
  EXPECT(reports.size() == 2);
  EXPECT(reports[0].version == "13.1.1" && reports[0].path == ATHANOR_FAKE_CUBLASLT);
  EXPECT(reports[0].problem.empty());
  EXPECT(reports[1].problem == "not used: ATHANOR_NCCL=none");
}

}  // namespace
}  // namespace athanor::test
