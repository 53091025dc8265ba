// The services that a case's calls reach.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/effects/http_answer.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/cases/play.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::cases {
namespace {

using json::Value;

std::string text_in(const Value& value, std::string_view name) {
  const Value* found = value.find(name);
  return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

shard::Outcome failed(std::string_view code, std::string_view message, std::uint32_t status = 0) {
  shard::Outcome out;
  out.code = code;
  out.message = message;
  out.status = status;
  return out;
}

shard::Outcome http_outcome(const shard::Effect& effect, const Value& input, const Reply& reply) {
  egress::Response response{.status = reply.status, .headers = {}, .body = {}};
  for (const auto& [name, value] : reply.headers) response.headers.push_back({base::lower(name), value});
  const bool is_typed =
      std::ranges::find(response.headers, "content-type", &egress::Header::name) != response.headers.end();
  if (reply.body) {
    response.body =
        is_typed && reply.body->is_string() ? std::string(reply.body->as_string()) : json::serialize(*reply.body);
    if (!is_typed) response.headers.push_back({"content-type", "application/json"});
  }
  effects::SentRequest sent{.method = effect.operation, .uri = text_in(input, "endpoint"), .headers = {}};
  if (const Value* headers = input.find("headers"); headers != nullptr && headers->is_object()) {
    for (const json::Entry& entry : headers->entries()) {
      sent.headers.push_back({std::string(entry.name()), entry.value.is_string() ? std::string(entry.value.as_string())
                                                                                 : json::serialize(entry.value)});
    }
  }
  return effects::result_of(sent, text_in(input, "output"), response).outcome;
}

shard::Outcome outcome_of(const shard::Effect& effect, const Value& input, const Reply& reply) {
  if (!reply.error.empty()) {
    const std::string message = reply.message.empty() ? "the service failed as the case says" : reply.message;
    shard::Outcome out = failed(reply.error, message, reply.status >= 400 ? reply.status : 0);
    if (reply.detail.is_object()) out.detail = json::serialize(reply.detail);
    return out;
  }
  if (effect.kind == "http") return http_outcome(effect, input, reply);
  shard::Outcome out;
  out.ok = true;
  out.output = json::serialize(reply.output);
  return out;
}

}  // namespace

std::string call_name(const shard::Effect& effect, const Value& input) {
  if (effect.kind == "plugin") return fmt::format("{}.{}", effect.plugin, effect.operation);
  if (effect.kind == "process") return fmt::format("run {}", effect.operation);
  if (effect.kind != "http") return fmt::format("{} {}", effect.kind, effect.operation);
  if (input.find("document") != nullptr) {
    return fmt::format("OPENAPI {}#{}", text_in(input, "document"), text_in(input, "operationId"));
  }
  return fmt::format("{} {}", effect.operation, text_in(input, "endpoint"));
}

const Reply* Services::reply_to(std::string_view name) {
  for (std::size_t i = 0; i < answers_.size(); ++i) {
    if (!is_like(answers_[i].to, name)) continue;
    TRV_ASSERT(!answers_[i].replies.empty());
    return &answers_[i].replies[std::min(given_[i]++, answers_[i].replies.size() - 1)];
  }
  return nullptr;
}

base::Result<const Services::Given*> Services::answer(const shard::Effect& effect) {
  if (const auto known = known_.find(effect.key); known != known_.end()) return &known->second;
  if (!takes_new_calls_) {
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("a call has the idempotency key {}, which the undisturbed run has not", effect.key));
  }
  TRV_TRY_ASSIGN(const Value input, json::parse(effect.input));
  const std::string name = call_name(effect, input);
  Value call = {{"to", name}};
  if (effect.kind == "http" && input.is_object()) {
    for (const json::Entry& entry : input.entries()) {
      if (entry.name() != "endpoint") call.set(entry.key, entry.value);
    }
  } else {
    call.set("input", input);
  }
  if (!effect.connection.empty()) call.set("connection", Value(effect.connection));
  calls_.push_back(std::move(call));

  const Reply* reply = reply_to(name);
  if (reply == nullptr) {
    return base::fail(
        base::ErrorCode::not_found,
        fmt::format("nothing answers the call '{}' of the task {}; add it to 'answers'", name, effect.task));
  }
  Given given;
  const bool has_time = effect.timeout > base::Duration::zero();
  given.timed_out = reply->never || (has_time && reply->after > effect.timeout);
  given.ready =
      effect.requested + (given.timed_out ? (has_time ? effect.timeout : base::Duration::max() / 4) : reply->after);
  given.outcome =
      given.timed_out ? failed("timeout", "the service did not answer in time") : outcome_of(effect, input, *reply);
  return &known_.emplace(effect.key, std::move(given)).first->second;
}

}  // namespace trv::cases
