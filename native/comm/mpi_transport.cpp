#include "comm/mpi_transport.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "comm/mpi/module.h"
#include "core/error.h"

namespace athanor::comm {
namespace {

constexpr const char* kInstall =
    "install it with: apt-get install libopenmpi-dev openmpi-bin, and build the engine again with: npx "
    "athanor build";

/// Beside the addon, unless ATHANOR_MPI names it.
std::string module_path() {
  const char* chosen = std::getenv("ATHANOR_MPI");
  if (chosen != nullptr && *chosen != '\0') return chosen;
  Dl_info self{};
  dladdr(reinterpret_cast<void*>(&module_path), &self);
  const std::string addon = self.dli_fname != nullptr ? self.dli_fname : "";
  return addon.substr(0, addon.rfind('/') + 1) + "athanor_mpi.so";
}

/// "Open MPI 4" of "Open MPI 4.1.4" and of "Open MPI v4.1.4, package: ...": programs run with every
/// release of one major version.
std::string family(const std::string& version) {
  std::string text;
  for (const char c : version) {
    if (c == '.' || c == ',' || c == '\n') break;
    if (c != 'v' && c != ':' && c != '\t') text += c;
  }
  return text.rfind("MPICH Version", 0) == 0 ? "MPICH " + text.substr(13) : text;
}

const MpiModule& load_module() {
  const std::string path = module_path();
  expect(access(path.c_str(), R_OK) == 0, ErrorCode::kCommSetup,
         "this build of the engine has no MPI module (", path,
         " does not exist), because MPI was not found when it was built; ", kInstall);
  // Global, because Open MPI's own plugins look for its symbols there.
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (handle == nullptr) {
    const char* why = dlerror();
    fail(ErrorCode::kCommSetup, "MPI cannot be loaded: ", why == nullptr ? path : why, "; ", kInstall);
  }
  const auto* module = static_cast<const MpiModule*>(dlsym(handle, kMpiModuleSymbol));
  expect(module != nullptr && module->version == kMpiModuleVersion, ErrorCode::kCommSetup, path,
         " belongs to another version of the engine; build it again with: npx athanor build");
  const std::string found = module->library();
  expect(family(found) == family(module->built_with), ErrorCode::kCommSetup, "the MPI that is loaded is ",
         found.substr(0, found.find(',')), " but the engine was built with ", module->built_with,
         "; build it again with: npx athanor build, or put the other MPI first in LD_LIBRARY_PATH");
  return *module;
}

class MpiTransport final : public Transport {
 public:
  MpiTransport(const MpiModule& module, int rank, int size) : module_(module), rank_(rank), size_(size) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void exchange(const Opening* opening, const std::vector<Send>& sends, const std::vector<Receive>& receives,
                const Limit& limit) override {
    std::vector<MpiMessage> messages;
    if (opening != nullptr) add(messages, opening->sends, opening->receives);
    Control control{opening, limit, {}};
    const MpiExchange functions{
        .context = &control,
        .may_wait = [](void* it) { return !static_cast<Control*>(it)->limit.is_over(); },
        .opening = messages.size(),
        .go_on = [](void* it) { return static_cast<Control*>(it)->check(); },
    };
    add(messages, sends, receives);
    check(module_.exchange(messages.data(), messages.size(), functions));
    if (control.failure) std::rethrow_exception(control.failure);
    RanksLate late;
    for (const bool is_receive : {true, false}) {
      for (const MpiMessage& message : messages) {
        const bool is_known =
            std::find(late.ranks.begin(), late.ranks.end(), message.rank) != late.ranks.end();
        if (!message.is_done && message.is_receive == is_receive && !is_known)
          late.ranks.push_back(message.rank);
      }
      if (!late.ranks.empty()) throw late;
    }
  }

  void close() override { check(module_.finish()); }

 private:
  struct Control {
    const Opening* opening;
    const Limit& limit;
    std::exception_ptr failure;

    /// No exception may pass through the module.
    bool check() {
      try {
        for (const Receive& one : opening->receives) opening->check(one.rank);
      } catch (...) {
        failure = std::current_exception();
      }
      return !failure;
    }
  };

  static void add(std::vector<MpiMessage>& messages, const std::vector<Send>& sends,
                  const std::vector<Receive>& receives) {
    for (const Receive& one : receives)
      if (one.bytes > 0) messages.push_back({one.data, one.bytes, one.rank, true, false});
    for (const Send& one : sends)
      if (one.bytes > 0)
        messages.push_back({const_cast<std::byte*>(one.data), one.bytes, one.rank, false, false});
  }

  void check(const char* problem) const {
    if (problem != nullptr) fail_about("MPI", ErrorCode::kCommLost, problem);
  }

  const MpiModule& module_;
  int rank_, size_;
};

}  // namespace

std::unique_ptr<Transport> connect_mpi(int size, const Limit&) {
  const MpiModule& module = load_module();
  int rank = 0, found = 0;
  if (const char* problem = module.start(&rank, &found))
    fail(ErrorCode::kCommSetup, "MPI cannot start: ", problem);
  expect(found == size, ErrorCode::kCommSetup, "the launcher started ", size, " ranks but ",
         module.built_with, " knows of ", found,
         "; start it with the mpirun of that MPI, or build the engine again with the "
         "MPI of this launcher: npx athanor build");
  return std::make_unique<MpiTransport>(module, rank, found);
}

}  // namespace athanor::comm
