#include "emulator/recording.h"

#include <utility>

namespace athanor::emulator {
namespace {

Work recorded;
bool records = false;

}  // namespace

void start_recording() { records = true; }

Work stop_recording() {
  records = false;
  return std::exchange(recorded, {});
}

bool is_recording() { return records; }

void run_or_record(std::function<void()> step) {
  if (!records) return step();
  recorded.push_back(std::move(step));
}

}  // namespace athanor::emulator
