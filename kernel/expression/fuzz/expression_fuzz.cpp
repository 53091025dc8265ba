// A program and its input, split at the first zero byte.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernel/expression/program.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trv::expression;
  namespace json = trv::json;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t split = text.find('\0');
  const auto program = compile(text.substr(0, split));
  const auto input = json::parse(split == std::string_view::npos ? "null" : text.substr(split + 1));
  if (!program || !input) return 0;
  Budget budget;
  budget.fuel = 20'000;
  budget.memory_bytes_max = 16 * 1024 * 1024;
  const auto outputs = evaluate_all(*program, *input, {}, budget);
  if (!outputs) return 0;
  for (const json::Value& output : *outputs) {
    std::string printed;
    if (!json::append(printed, output, {.bytes_max = 100'000, .depth_max = 200})) continue;
    if (!json::parse(printed)) __builtin_trap();
  }
  return 0;
}
