#include "kernel/cli/commands/operation_help.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "kernel/json/serialize.hpp"
#include "sdk/base/line_of.hpp"
#include "sdk/base/version.hpp"

namespace trv::cli {
namespace {

using json::Value;

constexpr int references_max = 16;

/// What a `$ref` within the same schema means.
const Value* resolved(const Value& root, const Value* schema) {
  for (int i = 0; i < references_max && schema != nullptr; ++i) {
    const Value* reference = schema->find("$ref");
    if (reference == nullptr || !reference->is_string()) return schema;
    std::string_view pointer = reference->as_string();
    if (!pointer.starts_with("#/")) return nullptr;
    pointer.remove_prefix(2);
    schema = &root;
    while (schema != nullptr) {
      const std::size_t slash = pointer.find('/');
      schema = schema->find(pointer.substr(0, slash));
      if (slash == std::string_view::npos) break;
      pointer.remove_prefix(slash + 1);
    }
  }
  return nullptr;
}

bool is_required(const Value& schema, std::string_view member) {
  const Value* required = schema.find("required");
  return required != nullptr && required->is_array() && std::ranges::any_of(required->items(), [&](const Value& one) {
           return one.is_string() && one.as_string() == member;
         });
}

const Value* property(const Value& schema, std::string_view member) {
  const Value* properties = schema.find("properties");
  return properties == nullptr ? nullptr : properties->find(member);
}

std::string texts_of(const Value& list) {
  std::vector<std::string> texts;
  for (const Value& one : list.items())
    texts.push_back(one.is_string() ? std::string(one.as_string()) : json::serialize(one));
  return fmt::format("{}", fmt::join(texts, ", "));
}

/// "text of 1 to 255 characters", or the name of the type; empty where anything fits.
std::string type_of(const Value& schema) {
  const Value* choices = schema.find("enum");
  if (choices != nullptr && choices->is_array()) return "one of " + texts_of(*choices);
  const Value* type = schema.find("type");
  if (type == nullptr) return {};
  return type->is_array() ? texts_of(*type) : member_text(schema, "type");
}

std::string words_of(const Value& schema, std::string_view member) {
  const Value* one = property(schema, member);
  const std::string type = one == nullptr ? std::string() : type_of(*one);
  const std::string_view need = is_required(schema, member) ? "required" : "";
  return fmt::format("{}{}{}", type, !type.empty() && !need.empty() ? ", " : "", need);
}

struct CallParts {
  std::string_view name;  ///< "chat.post"
  std::string_view version;
};

std::optional<CallParts> parts_of(std::string_view call) {
  const std::size_t colon = call.find(':');
  const std::size_t at = call.find('@', colon == std::string_view::npos ? 0 : colon);
  if (colon == std::string_view::npos || at == std::string_view::npos) return std::nullopt;
  return CallParts{.name = call.substr(0, colon), .version = call.substr(colon + 1, at - colon - 1)};
}

}  // namespace

const KnownOperation* find_operation(const Operations& operations, std::string_view call) {
  const auto found = std::ranges::find(operations, call, &KnownOperation::call);
  if (found != operations.end()) return &*found;
  const auto parts = parts_of(call);
  const auto line = parts ? base::VersionLine::parse(parts->version) : std::nullopt;
  if (!line) return nullptr;
  const KnownOperation* best = nullptr;
  std::optional<base::Version> best_version;
  for (const KnownOperation& one : operations) {
    const auto its = parts_of(one.call);
    const auto version = its ? base::Version::parse(its->version) : std::nullopt;
    if (!version || its->name != parts->name || !line->contains(*version)) continue;
    if (best_version && *version < *best_version) continue;
    best = &one;
    best_version = version;
  }
  return best;
}

std::vector<Offer> calls_offered(const Operations& operations) {
  std::vector<Offer> offers;
  for (const KnownOperation& one : operations) {
    offers.push_back({.label = one.call, .detail = one.title, .documentation = shown(one)});
  }
  return offers;
}

std::optional<InputPlace> input_place(const Operations& operations, std::string_view text,
                                      const std::vector<Key>& keys) {
  const auto with = std::ranges::find(keys, "with", &Key::name);
  if (with == keys.end()) return std::nullopt;
  for (const Key& sibling : siblings_of(text, *with)) {
    if (sibling.name != "call") continue;
    const KnownOperation* operation = find_operation(operations, value_of(base::line_of(text, sibling.line)));
    if (operation == nullptr) return std::nullopt;
    const Value* schema = resolved(operation->input, &operation->input);
    for (auto key = with; schema != nullptr && key != keys.begin();) {
      --key;
      schema = resolved(operation->input, property(*schema, key->name));
      // Members of a list's items are in its schema of items.
      if (schema != nullptr && schema->find("items") != nullptr) {
        schema = resolved(operation->input, schema->find("items"));
      }
    }
    return InputPlace{.operation = operation, .schema = schema == nullptr ? Value() : *schema};
  }
  return std::nullopt;
}

std::vector<Offer> members_offered(const InputPlace& place) {
  std::vector<Offer> offers;
  const Value* properties = place.schema.find("properties");
  if (properties == nullptr || !properties->is_object()) return offers;
  for (const auto& entry : properties->entries()) {
    const std::string name(entry.name());
    const Value* schema = resolved(place.operation->input, &entry.value);
    offers.push_back({.label = name,
                      .detail = words_of(place.schema, name),
                      .documentation = schema == nullptr ? std::string() : member_text(*schema, "description"),
                      .inserted = name + ": "});
  }
  std::ranges::stable_partition(offers, [&](const Offer& one) { return is_required(place.schema, one.label); });
  return offers;
}

std::vector<Offer> values_offered(const InputPlace& place, std::string_view member) {
  std::vector<Offer> offers;
  const Value* schema = resolved(place.operation->input, property(place.schema, member));
  if (schema == nullptr) return offers;
  const auto offer = [&](const Value& value) {
    offers.push_back({.label = value.is_string() ? std::string(value.as_string()) : json::serialize(value)});
  };
  const Value* choices = schema->find("enum");
  if (choices != nullptr && choices->is_array()) {
    for (const Value& one : choices->items()) offer(one);
  } else if (const Value* only = schema->find("const")) {
    offer(*only);
  } else if (member_text(*schema, "type") == "boolean") {
    offer(Value(true));
    offer(Value(false));
  }
  return offers;
}

std::string shown(const KnownOperation& operation) {
  std::string text = fmt::format("{}\n", operation.title.empty() ? operation.call : operation.title);
  if (!operation.summary.empty()) text += fmt::format("\n{}\n", operation.summary);
  const InputPlace place{.operation = &operation, .schema = operation.input};
  const std::vector<Offer> members = members_offered(place);
  if (!members.empty()) text += "\nInput:\n";
  for (const Offer& one : members) {
    text += fmt::format("- {}{}{}\n", one.label, one.detail.empty() ? "" : fmt::format(" ({})", one.detail),
                        one.documentation.empty() ? "" : ": " + one.documentation);
  }
  text.pop_back();
  return text;
}

std::string shown(const InputPlace& place, std::string_view member) {
  const Value* schema = resolved(place.operation->input, property(place.schema, member));
  if (schema == nullptr) return {};
  const std::string words = words_of(place.schema, member);
  const std::string description = member_text(*schema, "description");
  return fmt::format("{}{}{}", member, words.empty() ? "" : fmt::format(" ({})", words),
                     description.empty() ? "" : ": " + description);
}

}  // namespace trv::cli
