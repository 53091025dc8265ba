// Any text as the address of a call, a URI template among them: an answer within bounds, and the parts of what is taken
// are the text again.

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/definition/definition.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trv;
  const std::string address(reinterpret_cast<const char*>(data), size);
  std::string text = R"({"document":{"dsl":"1.0.3","namespace":"fuzz","name":"it","version":"1.0.0"},)"
                     R"("do":[{"a":{"call":"http","with":{"method":"get","endpoint":)";
  json::append_string(text, address);
  text += "}}}]}";
  const auto compiled = definition::compile(text, definition::Format::json);
  if (!compiled) return 0;
  const definition::Endpoint& endpoint = std::get<definition::HttpCall>(compiled->task(compiled->first).body).endpoint;
  if (endpoint.expression.has_value() != (address.find("${") != std::string::npos)) __builtin_trap();
  if (endpoint.expression) return 0;
  std::string again;
  for (const definition::Endpoint::Part& part : endpoint.parts) again += part.name ? "{" + part.text + "}" : part.text;
  if (again != address) __builtin_trap();
  return 0;
}
