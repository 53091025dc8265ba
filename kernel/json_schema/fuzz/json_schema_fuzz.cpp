// A schema and a value, split at the first zero byte, in every dialect: an answer within bounds, never a crash; what is
// said of the value without reasons is what is said with them.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernel/json/parse.hpp"
#include "kernel/json_schema/schema.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trv::json_schema;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t split = text.find('\0');
  const auto schema = trv::json::parse(text.substr(0, split));
  const auto instance = trv::json::parse(split == std::string_view::npos ? "null" : text.substr(split + 1));
  if (!schema || !instance) return 0;
  for (const Dialect dialect : {Dialect::draft_2020_12, Dialect::draft_7, Dialect::draft_4, Dialect::openapi_3_0}) {
    CompileOptions options;
    options.dialect = dialect;
    options.formats = Formats::asserted;
    options.schemas_max = 2'000;
    const auto compiled = compile(*schema, options);
    if (!compiled) {
      if (compiled.error().sentence.empty()) __builtin_trap();
      continue;
    }
    const auto problems = compiled->validate(*instance, {.steps_max = 50'000, .depth_max = 300});
    if (!problems) continue;
    for (const Problem& problem : *problems) {
      if (problem.sentence.empty() || problem.schema_path.empty()) __builtin_trap();
    }
    // A value is a schema's own meta-schema's business, too.
    (void)compiled->validate(*schema, {.steps_max = 50'000, .depth_max = 300});
  }
  return 0;
}
