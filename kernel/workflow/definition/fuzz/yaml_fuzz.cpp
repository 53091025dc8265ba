// Any bytes as YAML: an answer within bounds; what is read has a JSON form, which reads as the same tree.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernel/workflow/definition/node.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trv::definition;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto root = read(text, Format::yaml);
  if (!root) {
    if (root.error().message().empty()) __builtin_trap();
    return 0;
  }
  const std::string form = to_json(*root);
  // Aliases and escapes may make it longer than a text can be.
  if (form.size() > text_bytes_max) return 0;
  const auto again = read(form, Format::json);
  if (!again || to_json(*again) != form) __builtin_trap();
  return 0;
}
