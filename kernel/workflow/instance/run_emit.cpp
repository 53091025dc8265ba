// `emit`: an effect whose input is the event, and whose outcome is the event again once it is recorded.

#include <fmt/format.h>

#include "kernel/workflow/instance/execution.hpp"

namespace trv::instance {

void Execution::run(TaskIndex index, const definition::EmitTask& task, const Value& input) {
  const std::int64_t now_ns = context_.now.ns();
  const Attempt<Value> attributes = evaluation_.evaluate(task.event, input);
  if (!attributes) return raise(index, attributes.error().error, now_ns, 0);
  const definition::Name& name = definition_.name;
  Value event = {{"specversion", "1.0"},
                 {"id", context_.ids.next(context_.now).to_string()},
                 {"source", fmt::format("/{}/{}/{}", name.space, name.name, name.version)},
                 {"time", context_.now.to_rfc3339()}};
  for (const auto& entry : attributes->entries()) {
    const std::string_view attribute = entry.name();
    const bool is_data = attribute == "data";
    // An attribute that is null is one that is not there.
    if (!is_data && entry.value.is_null()) continue;
    const bool is_standard = attribute == "id" || attribute == "source" || attribute == "type" || attribute == "time" ||
                             attribute == "subject" || attribute == "datacontenttype" || attribute == "dataschema" ||
                             attribute == "specversion" || attribute == "data_base64";
    if (is_standard && (!entry.value.is_string() || entry.value.as_string().empty())) {
      return raise(index,
                   make_error(StandardError::expression, definition_.task(index).reference,
                              fmt::format("attribute '{}' of the event must be text, not {}", attribute,
                                          entry.value.is_string() ? "empty" : json::to_string(entry.value.kind()))),
                   now_ns, 0);
    }
    event.set(attribute, entry.value);
  }
  if (event.find("type") == nullptr) {
    return raise(index,
                 make_error(StandardError::expression, definition_.task(index).reference,
                            "attribute 'type' of the event is null"),
                 now_ns, 0);
  }
  shard::Effect effect;
  effect.kind = "event";
  effect.operation = event.find("type")->as_string();
  request(index, input, std::move(effect), event);
}

}  // namespace trv::instance
