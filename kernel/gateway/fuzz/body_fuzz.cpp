// Fuzz target: what clients send besides the request line. Lines "name: value" are headers; what follows an empty line
// is the body.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernel/gateway/cloud_event.hpp"
#include "kernel/http/conditional.hpp"
#include "kernel/json/parse.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trv;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  http::Request request;
  while (!text.empty() && text.front() != '\n' && request.header_count() < http::headers_max) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::size_t colon = line.find(": ");
    if (colon != std::string_view::npos) request.add_header(line.substr(0, colon), line.substr(colon + 2));
  }
  if (!text.empty()) request.append_body(text.substr(1));

  static_cast<void>(http::has_already(request, "\"abc\""));
  if (const auto value = json::parse(request.body())) {
    const auto unique = json::parse(request.body(), {.duplicate_keys = json::DuplicateKeys::refused});
    TRV_ASSERT(unique ? *unique == *value : unique.error().line() > 0 && unique.error().column() > 0);
  }
  if (gateway::refuse_cloud_event_media(request)) return 0;
  const auto events = gateway::read_cloud_events(request);
  if (!events) return 0;
  for (const ingest::Received& event : *events) {
    TRV_ASSERT(event.data.empty() || event.data_base64.empty());
    for (const std::string* one : {&event.id, &event.source, &event.type, &event.subject, &event.data}) {
      TRV_ASSERT(base::is_utf8(*one));
    }
    if (event.extensions.empty()) continue;
    const auto extensions = json::parse(event.extensions);
    TRV_ASSERT(extensions && extensions->is_object() && extensions->size() > 0);
    for (const auto& entry : extensions->entries()) {
      TRV_ASSERT(entry.value.is_bool() || entry.value.is_int() || entry.value.is_string());
    }
  }
  return 0;
}
