// Any text as a cron expression and as a duration: an answer within bounds, and times that agree with each other.

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernel/workflow/definition/schedule.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trv;
  constexpr base::Timestamp now(1'767'225'600'000'000'000);
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto cron = definition::Cron::parse(text)) {
    const auto next = cron->next(now);
    if (next && (*next <= now || cron->last(*next) != next)) __builtin_trap();
    const auto last = cron->last(now);
    if (last && (*last > now || cron->next(*last) != next)) __builtin_trap();
  }
  if (const auto duration = definition::duration_of(json::Value(text))) {
    const auto again = definition::duration_of(json::Value(definition::to_text(*duration)));
    if (!again || again->months != duration->months || again->after(now) != duration->after(now)) __builtin_trap();
  }
  return 0;
}
