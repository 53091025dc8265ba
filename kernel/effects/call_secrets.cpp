#include "kernel/effects/call_secrets.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/egress/url.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"

namespace trv::effects {
namespace {

using base::ErrorCode;
using json::Value;

/// Deeper than what the reader of JSON takes.
constexpr int depth_max = 1'100;

Value with_text(const Value& value, std::span<const Value> at, const std::string& text) {
  if (at.empty()) return Value(text);
  Value out = value;
  if (at.front().is_string() && value.is_object()) {
    const Value* child = value.find(at.front());
    out.set(at.front(), with_text(child == nullptr ? Value() : *child, at.subspan(1), text));
  } else if (at.front().is_int() && value.is_array()) {
    const auto index = static_cast<std::size_t>(at.front().as_int());
    if (index < value.size()) out.set_at(index, with_text(value.at(index), at.subspan(1), text));
  }
  return out;
}

}  // namespace

base::Result<CallSecrets::Known> CallSecrets::reveal(const Value& secret, const base::TenantId& tenant,
                                                     egress::ConnectionSource& connections,
                                                     egress::SecretSource& sources) const {
  const Value* name = secret.find("name");
  TRV_ASSERT(name != nullptr && name->is_string());
  Known known;
  known.name = name->as_string();
  const auto denied = [&](std::string_view why) {
    return base::fail(ErrorCode::denied, fmt::format("the secret '{}': {}", known.name, why));
  };
  const base::Result<egress::Connection> connection = connections.find(tenant, known.name);
  if (!connection && connection.error().code() == ErrorCode::not_found) {
    return denied("there is no connection of that name; make one with 'trav connection set'");
  }
  if (!connection) return base::fail(connection.error());
  if (!connection->plugin.empty())
    return denied(fmt::format("its connection belongs to plugin '{}'", connection->plugin));
  if (connection->authentication.secret_reference.empty()) return denied("its connection has no secret");
  known.base_url = connection->base_url;
  TRV_TRY_ASSIGN(known.text, sources.reveal(tenant, connection->authentication.secret_reference));
  const Value* path = secret.find("path");
  if (path == nullptr) return known;
  const auto parsed = json::parse(known.text);
  Value value = parsed ? *parsed : Value();
  for (const Value& property : path->items()) {
    const Value* found = value.find(property);
    if (found == nullptr || found->is_null()) {
      // What it has instead is not said: that would be a part of it.
      return base::fail(ErrorCode::invalid, fmt::format("the secret '{}' is not a JSON object with the property '{}'",
                                                        known.name, property.as_string()));
    }
    const Value next = *found;
    value = next;
  }
  known.text = value.is_string() ? std::string(value.as_string()) : json::serialize(value);
  return known;
}

base::Status CallSecrets::put_into(Value& input, const base::TenantId& tenant, egress::ConnectionSource& connections,
                                   egress::SecretSource& sources) {
  TRV_EXPECTS(known_.empty());
  const Value* places = input.find("secrets");
  if (places == nullptr || !places->is_array()) return {};
  const Value kept = *places;
  for (const Value& place : kept.items()) {
    const Value* at = place.find("at");
    const Value* parts = place.find("parts");
    TRV_ASSERT(at != nullptr && at->is_array() && at->size() > 0 && parts != nullptr && parts->is_array());
    std::string text;
    for (const Value& part : parts->items()) {
      if (part.is_string()) {
        text += part.as_string();
        continue;
      }
      TRV_TRY_ASSIGN(Known known, reveal(part, tenant, connections, sources));
      known.where = at->at(0) == Value("authentication")           ? Where::authentication
                    : at->at(0) == Value("documentAuthentication") ? Where::document
                                                                   : Where::request;
      text += known.text;
      for (std::string form :
           {known.text, base::to_base64(base::as_bytes(known.text)), base::percent_encoded(known.text)}) {
        add_form(std::move(form), known.name);
      }
      known_.push_back(std::move(known));
    }
    input = with_text(input, at->items(), text);
  }
  return {};
}

void CallSecrets::add_form(std::string text, std::string_view name) {
  if (text.empty() || std::ranges::find(forms_, text, &Form::text) != forms_.end()) return;
  forms_.push_back({std::move(text), fmt::format("[secret {}]", name)});
  std::ranges::stable_sort(forms_, std::ranges::greater(), [](const Form& one) { return one.text.size(); });
}

void CallSecrets::note_user(std::string_view user) {
  for (const Known& known : std::vector<Known>(known_)) {
    if (known.where != Where::authentication) continue;
    const std::string pair = std::string(user) + ":" + known.text;
    add_form(base::to_base64(base::as_bytes(pair)), known.name);
  }
}

base::Status CallSecrets::may_go_to(std::string_view address, Where where) const {
  for (const Known& known : known_) {
    if (known.where != where) continue;
    const base::Result<std::string> path = egress::path_below(known.base_url, address);
    if (path && egress::check_path(*path)) continue;
    return base::fail(ErrorCode::denied,
                      fmt::format("the secret '{}' goes below {} only, the address of its connection, "
                                  "and the request is for {}",
                                  known.name, known.base_url, address));
  }
  return {};
}

std::string CallSecrets::redacted(std::string text) const {
  for (const Form& form : forms_) {
    for (std::size_t at = text.find(form.text); at != std::string::npos;
         at = text.find(form.text, at + form.redaction.size())) {
      text.replace(at, form.text.size(), form.redaction);
    }
  }
  return text;
}

Value CallSecrets::redacted(const Value& value, int depth) const {
  if (depth > depth_max) return Value("[redacted]");
  if (value.is_string()) return Value(redacted(std::string(value.as_string())));
  if (value.is_array()) {
    Value out = Value::make_array(value.size());
    for (const Value& item : value.items()) out.push_back(redacted(item, depth + 1));
    return out;
  }
  if (value.is_object()) {
    Value out = Value::make_object(value.size());
    for (const json::Entry& entry : value.entries()) {
      out.set(std::string_view(redacted(std::string(entry.name()))), redacted(entry.value, depth + 1));
    }
    return out;
  }
  if (value.is_null()) return value;
  const std::string text = json::serialize(value);
  const auto form = std::ranges::find(forms_, text, &Form::text);
  return form == forms_.end() ? value : Value(form->redaction);
}

std::string CallSecrets::redacted_json(const std::string& text) const {
  const auto parsed = json::parse(text);
  return parsed ? json::serialize(redacted(*parsed, 0)) : redacted(text);
}

TryResult CallSecrets::redacted(TryResult result) const {
  if (forms_.empty()) return result;
  shard::Outcome& outcome = result.outcome;
  if (!outcome.output.empty()) outcome.output = redacted_json(outcome.output);
  if (!outcome.detail.empty()) outcome.detail = redacted_json(outcome.detail);
  outcome.message = redacted(std::move(outcome.message));
  return result;
}

}  // namespace trv::effects
