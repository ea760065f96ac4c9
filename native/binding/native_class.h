// A class that JavaScript constructs, with a constructor and methods of C++ types:
//
//   class Wrap : public NativeClass<Wrap> {
//     using Constructor = Bound<"Name(a, b)", &make>;  // make(a, b) returns what the object holds
//     explicit Wrap(const Napi::CallbackInfo& info) : NativeClass(info) {
//       construct<Constructor>(info, held_);
//     }
//   };
//   Wrap::define<Wrap::Constructor>(exports, Wrap::method<&Wrap::read, "Name.read(begin)">);
#pragma once

#include <napi.h>

#include <utility>

#include "binding/convert.h"

namespace athanor::binding {

template <Declaration declaration, class Member>
struct Method;
template <Declaration declaration, class Self, class Result, class... Args>
struct Method<declaration, Result (Self::*)(Args...)> : Call<declaration, Result, Args...> {};

template <class Self>
class NativeClass : public Napi::ObjectWrap<Self> {
 public:
  using Napi::ObjectWrap<Self>::ObjectWrap;

  template <class Constructor, class... Methods>
  static void define(Exports& exports, Methods... methods) {
    const char* name = Constructor::kName;
    exports.signatures.push_back(Constructor::signature([] { return std::string(Constructor::kName); }));
    exports.object.Set(name, NativeClass::DefineClass(exports.env, name, {methods(exports)...}));
  }

  template <auto member, Declaration declaration>
  static Napi::ClassPropertyDescriptor<Self> method(Exports& exports) {
    exports.signatures.push_back(Method<declaration, decltype(member)>::signature());
    return NativeClass::InstanceMethod(declaration.property(),
                                       &NativeClass::template call<member, declaration>);
  }

 protected:
  template <class Constructor, class Held>
  static void construct(const Napi::CallbackInfo& info, Held& held) {
    Constructor::run(info, Constructor::kFunction, [&](auto made) -> Napi::Value {
      held = std::move(made);
      return info.Env().Undefined();
    });
  }

 private:
  template <auto member, Declaration declaration>
  Napi::Value call(const Napi::CallbackInfo& info) {
    Self& self = static_cast<Self&>(*this);
    return Method<declaration, decltype(member)>::run(
        info, [&](const auto&... arguments) { return (self.*member)(arguments...); });
  }
};

}  // namespace athanor::binding
