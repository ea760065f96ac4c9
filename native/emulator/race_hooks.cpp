// Linked into the race-checked build only. There kernels are compiled with -fsanitize=thread, and
// these functions replace its runtime: they see each load and store of the unchanged source.
#include "emulator/state.h"

namespace {

const struct SwitchOn {
  SwitchOn() { athanor::emulator::race_detection_on(); }
} switch_on;

void see(const void* pointer, size_t bytes, bool is_write, const void* code) {
  athanor::emulator::race_access(pointer, bytes, is_write, code, {}, athanor::emulator::AccessKind::kPlain);
}

}  // namespace

#define ATHANOR_HOOK(name, bytes, is_write) \
  extern "C" void name(void* pointer) { see(pointer, bytes, is_write, __builtin_return_address(0)); }
#define ATHANOR_HOOKS(bytes)                               \
  ATHANOR_HOOK(__tsan_read##bytes, bytes, false)           \
  ATHANOR_HOOK(__tsan_write##bytes, bytes, true)           \
  ATHANOR_HOOK(__tsan_unaligned_read##bytes, bytes, false) \
  ATHANOR_HOOK(__tsan_unaligned_write##bytes, bytes, true)
ATHANOR_HOOKS(1)
ATHANOR_HOOKS(2)
ATHANOR_HOOKS(4)
ATHANOR_HOOKS(8)
ATHANOR_HOOKS(16)

extern "C" {
void __tsan_read_range(void* pointer, size_t bytes) {
  see(pointer, bytes, false, __builtin_return_address(0));
}
void __tsan_write_range(void* pointer, size_t bytes) {
  see(pointer, bytes, true, __builtin_return_address(0));
}
void* __tsan_memcpy(void* to, const void* from, size_t bytes) {
  see(from, bytes, false, __builtin_return_address(0));
  see(to, bytes, true, __builtin_return_address(0));
  return __builtin_memcpy(to, from, bytes);
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
uint8_t __tsan_atomic8_load(const volatile uint8_t* pointer, int) { return *pointer; }
int __tsan_atomic32_fetch_add(volatile int* pointer, int value, int) {
  const int before = *pointer;
  *pointer = before + value;
  return before;
}
}
