// How this addon was built, for `athanor info`; the instruction sets come from CMakeLists.txt.
#include <sstream>

#include "binding/convert.h"

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

}  // namespace

void register_build_info(Napi::Object exports) {
  bind<&compiler>(exports, "compiler");
  bind<&built_isas>(exports, "builtIsas");
}

}  // namespace athanor::binding
