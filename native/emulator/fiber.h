// Stackful coroutines: the scheduler enters a fiber, the fiber leaves to the scheduler, never
// to another fiber.
#pragma once

#include <cstddef>

namespace athanor::emulator {

struct Fiber {
  void* stack_pointer = nullptr;  // while it does not run
  char* stack = nullptr;
  void* sanitizer_stack = nullptr;
};

size_t fiber_stack_bytes();
/// A stack below which a page faults. Never freed: launches reuse stacks.
char* fiber_new_stack();
/// `entry` runs at the next fiber_enter; it must call fiber_started first and
/// fiber_leave(fiber, true) last.
void fiber_prepare(Fiber& fiber, void (*entry)());
void fiber_started();
void fiber_enter(Fiber& fiber);
void fiber_leave(Fiber& fiber, bool for_good);

}  // namespace athanor::emulator
