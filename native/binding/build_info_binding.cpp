// How this addon was built and which libraries this machine has, for `athanor info`. CMakeLists.txt
// passes the instruction sets in.
#include <sstream>

#include "binding/convert.h"
#include "core/cuda_libraries.h"

namespace athanor::binding {
namespace {

#if defined(__clang__)
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "gcc " __VERSION__;
#endif

std::string compiler() { return kCompiler; }

std::vector<std::string> built_isas() {
  std::vector<std::string> names;
  std::istringstream list(ATHANOR_BUILT_ISAS);
  for (std::string name; list >> name;) names.push_back(name);
  return names;
}

/// [name, version, path, problem] of each library; problem is empty where it was found.
std::vector<std::tuple<std::string, std::string, std::string, std::string>> cuda_libraries() {
  std::vector<std::tuple<std::string, std::string, std::string, std::string>> out;
  for (const LibraryReport& r : cuda_library_reports())
    out.emplace_back(r.name, r.version, r.path, r.problem);
  return out;
}

const Family family([](Exports& exports) {
  bind<&compiler>(exports, "compiler");
  bind<&built_isas>(exports, "builtIsas");
  bind<&cuda_libraries>(exports, "cudaLibraries");
});

}  // namespace
}  // namespace athanor::binding
