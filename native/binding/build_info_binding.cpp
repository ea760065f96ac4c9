// How this addon was built and what it finds here, for `athanor info`.
#include "binding/convert.h"
#include "core/cuda_libraries.h"
#include "kernels/family.h"

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
  for (CpuIsa isa : {CpuIsa::kPortable, CpuIsa::kAvx2, CpuIsa::kAvx512, CpuIsa::kAvx512Bf16})
    if (isa_built(isa)) names.push_back(isa_name(isa));
  return names;
}

/// [name, version, path, problem] of each library; problem is empty where it was found.
std::vector<std::tuple<std::string, std::string, std::string, std::string>> cuda_libraries() {
  std::vector<std::tuple<std::string, std::string, std::string, std::string>> out;
  for (const LibraryReport& r : cuda_library_reports())
    out.emplace_back(r.name, r.version, r.path, r.problem);
  return out;
}

const Family build_info_family([](Exports& exports) {
  bind<&compiler, "compiler()">(exports);
  bind<&built_isas, "builtIsas()">(exports);
  bind<&cuda_libraries, "cudaLibraries()">(exports);
});

}  // namespace
}  // namespace athanor::binding
