// Any bytes as a definition, in both formats: an answer within bounds, never a crash.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernel/workflow/definition/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using trv::definition::Format;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Format format : {Format::yaml, Format::json}) {
    const bool compiles = trv::definition::compile(text, format).has_value();
    const trv::definition::Findings found = trv::definition::check(text, format);
    if (compiles != (found.errors == 0 && found.unfetched.empty())) __builtin_trap();
  }
  return 0;
}
