// Launches and copies that are recorded instead of run, and can then be run many times.
#pragma once

#include <functional>
#include <vector>

namespace athanor::emulator {

using Work = std::vector<std::function<void()>>;

void start_recording();
Work stop_recording();
bool is_recording();
/// Runs the step now, or records it.
void run_or_record(std::function<void()> step);

}  // namespace athanor::emulator
