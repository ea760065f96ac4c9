#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "binding/reclaim.h"

namespace athanor::binding {

/// The names and types of a bound function, as TypeScript writes them.
struct Signature {
  const char* name;
  std::vector<std::string> (*names)();
  std::vector<std::string> (*parameters)();
  std::string (*result)();
};

/// The state of one JavaScript environment (the main thread or a worker).
struct AddonData {
  Napi::FunctionReference tensor_constructor;
  Napi::FunctionReference error_constructor;
  std::vector<Signature> signatures;
  ReclaimList reclaimable;
};

[[noreturn]] void throw_athanor_error(Napi::Env env, const char* code, const std::string& message);

/// Where a binding file puts its functions.
struct Exports {
  Napi::Env env;
  Napi::Object object;
  std::vector<Signature>& signatures;
};

/// A family of functions. Each binding file makes one, at namespace scope, and is complete with
/// that: the addon adds all families to the exports of every environment that loads it.
class Family {
 public:
  explicit Family(void (*add)(Exports& exports));
  static void add_all(Exports& exports);

 private:
  static const Family*& newest();

  void (*add_)(Exports& exports);
  const Family* before_;
};

}  // namespace athanor::binding
