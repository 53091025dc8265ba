#include "kernel/gateway/instance_commands.hpp"

#include <fmt/format.h>

#include <utility>

#include "kernel/json/serialize.hpp"
#include "sdk/base/text_check.hpp"

namespace trv::gateway {

using base::ErrorCode;
using base::fail;

namespace {

constexpr std::size_t attribute_characters_max = 1'024;

}  // namespace

base::Result<instance::ReceivedEvent> signal_of(const Body& body) {
  instance::ReceivedEvent event;
  TRV_TRY_ASSIGN(event.type, body.text("type"));
  if (event.type.empty()) return fail(ErrorCode::invalid, "type is empty; say which type of event is meant");
  TRV_TRY_ASSIGN(auto event_id, body.optional_text("id"));
  TRV_TRY_ASSIGN(auto source, body.optional_text("source"));
  TRV_TRY_ASSIGN(auto subject, body.optional_text("subject"));
  for (const auto& [name, text] : {std::pair("type", std::optional(event.type)), std::pair("id", event_id),
                                   std::pair("source", source), std::pair("subject", subject)}) {
    if (text) TRV_TRY(base::check_text(name, *text, {.characters_max = attribute_characters_max}));
  }
  event.id = std::move(event_id).value_or("");
  event.source = std::move(source).value_or("");
  event.subject = std::move(subject).value_or("");
  if (const auto data = body.optional_value("data")) {
    event.data = json::serialize(*data);
    event.datacontenttype = "application/json";
  }
  return event;
}

std::string source_of_signal(const instance::InstanceId& instance) {
  return fmt::format("/instances/{}/signal", instance.to_string());
}

base::Result<std::vector<instance::TaskMapping>> mapping_of(const Body& body) {
  std::vector<instance::TaskMapping> mapping;
  const auto map = body.optional_value("map");
  if (!map) return mapping;
  if (!map->is_object()) return fail(ErrorCode::invalid, R"(map must be an object such as {"old-task": "new-task"})");
  for (const json::Entry& one : map->entries()) {
    if (!one.value.is_string()) {
      return fail(ErrorCode::invalid, fmt::format("map: '{}' must be the name of a task or its reference", one.name()));
    }
    mapping.push_back({std::string(one.name()), std::string(one.value.as_string())});
  }
  return mapping;
}

}  // namespace trv::gateway
