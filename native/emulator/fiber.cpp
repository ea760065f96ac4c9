// A switch saves the registers that a function must preserve by the calling convention, and
// the stack pointer.
#include "emulator/fiber.h"

#include <sys/mman.h>

#include <cstring>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define ATHANOR_ASAN 1
#else
#define ATHANOR_ASAN 0
#endif

#if ATHANOR_ASAN
// A fiber that ended in a fault never runs its destructors.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }
#endif

extern "C" void athanor_fiber_switch(void** save, void* to);

#if defined(__x86_64__)
asm(R"(.text
.globl athanor_fiber_switch
.type athanor_fiber_switch,@function
athanor_fiber_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size athanor_fiber_switch,.-athanor_fiber_switch
)");
#elif defined(__aarch64__)
asm(R"(.text
.globl athanor_fiber_switch
.type athanor_fiber_switch,%function
athanor_fiber_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
)");
#else
#error "the emulator's fibers are written for x86-64 and aarch64"
#endif

namespace athanor::emulator {
namespace {

constexpr size_t kPage = 4096;

void* scheduler_stack_pointer;
[[maybe_unused]] const void* scheduler_stack;
[[maybe_unused]] size_t scheduler_stack_bytes;

}  // namespace

// AddressSanitizer puts fences around every local variable, which takes several times the stack.
size_t fiber_stack_bytes() { return ATHANOR_ASAN ? 256 * 1024 : 64 * 1024; }

char* fiber_new_stack() {
  void* memory = mmap(nullptr, fiber_stack_bytes() + kPage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, kPage, PROT_NONE);
  return static_cast<char*>(memory) + kPage;
}

void fiber_prepare(Fiber& fiber, void (*entry)()) {
#if ATHANOR_ASAN
  __asan_unpoison_memory_region(fiber.stack, fiber_stack_bytes());  // of a fiber that a fault ended
#endif
  auto** top = reinterpret_cast<void**>(fiber.stack + fiber_stack_bytes() - 64);
#if defined(__x86_64__)
  *--top = nullptr;  // where entry would return to; it also aligns the stack as after a call
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
#else
  top -= 20;
  std::memset(top, 0, 160);
  top[11] = reinterpret_cast<void*>(entry);
#endif
  fiber.stack_pointer = top;
  fiber.sanitizer_stack = nullptr;
}

void fiber_started() {
#if ATHANOR_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_bytes);
#endif
}

void fiber_enter(Fiber& fiber) {
#if ATHANOR_ASAN
  void* own;
  __sanitizer_start_switch_fiber(&own, fiber.stack, fiber_stack_bytes());
#endif
  athanor_fiber_switch(&scheduler_stack_pointer, fiber.stack_pointer);
#if ATHANOR_ASAN
  __sanitizer_finish_switch_fiber(own, nullptr, nullptr);
#endif
}

void fiber_leave(Fiber& fiber, [[maybe_unused]] bool for_good) {
#if ATHANOR_ASAN
  __sanitizer_start_switch_fiber(for_good ? nullptr : &fiber.sanitizer_stack, scheduler_stack,
                                 scheduler_stack_bytes);
#endif
  athanor_fiber_switch(&fiber.stack_pointer, scheduler_stack_pointer);
#if ATHANOR_ASAN
  __sanitizer_finish_switch_fiber(fiber.sanitizer_stack, &scheduler_stack, &scheduler_stack_bytes);
#endif
}

}  // namespace athanor::emulator
