#include "sdk/conformance/suite/play.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "sdk/conformance/fake_host.hpp"

namespace trv::conformance::suite {
namespace {

constexpr std::size_t steps_max = 200;  // of one call; more is taken for a call that never ends

/// On one line, whatever the bytes are.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string in_lower_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string line_of(const SentRequest& request) {
  std::string line =
      fmt::format("sends {} {} over {}", quoted(request.method), quoted(request.path), quoted(request.connection));
  for (const auto& [name, value] : request.headers) line += fmt::format(", {}: {}", in_lower_case(name), quoted(value));
  return fmt::format("{}, key {}, body {}\n", line, quoted(request.idempotency_key), quoted(request.body));
}

std::string line_of(const CallOutcome& outcome) {
  if (outcome.output) return fmt::format("answers {}\n", quoted(*outcome.output));
  if (!outcome.error) return "answers nothing\n";
  const CallError& error = *outcome.error;
  return fmt::format("fails with code {}, retry {} after {} ms, status {}: {}{}\n", error.code, error.retry,
                     error.retry_after_ms, error.status, quoted(error.message),
                     error.detail.empty() ? "" : ", detail " + quoted(error.detail));
}

/// Answers what the call asks for until it ends. False: it waits, for too long or for nothing.
bool finish(FakeHost& host, std::uint64_t call, const HttpStep& answer) {
  std::uint64_t waited_ms = 0;
  for (std::size_t step = 0; step < steps_max && !host.outcome(call); ++step) {
    if (const auto request = host.first_open_request(call)) {
      host.answer(*request, answer);
      continue;
    }
    const std::vector<SetTimer> timers = host.timers();
    const auto first = std::ranges::min_element(timers, {}, &SetTimer::after_ms);
    if (first == timers.end()) return false;
    waited_ms += first->after_ms;
    if (waited_ms > play_wait_ms_max) return false;
    host.time_comes(first->timer_id);
  }
  return host.outcome(call).has_value();
}

template <typename T>
std::vector<T> from(std::vector<T> all, std::size_t first) {
  all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(first));
  return all;
}

}  // namespace

std::string describe(const HttpStep& step) {
  if (const auto* answer = std::get_if<HttpAnswer>(&step))
    return fmt::format("answer {} with {} bytes of body", answer->status, answer->body.size());
  return fmt::format("error {} ({})", std::get<CallError>(step).code, std::get<CallError>(step).message);
}

std::string Play::name() const {
  return fmt::format("operation {}, example {}, requests ended with {}", operation, example, describe(answer));
}

std::vector<Play> plays_of(const package::Manifest& manifest, const std::vector<HttpStep>& answers) {
  std::vector<Play> plays;
  for (const package::Operation& operation : manifest.operations) {
    const boost::json::value schema = boost::json::parse(operation.input);
    const boost::json::value* list = schema.is_object() ? schema.get_object().if_contains("examples") : nullptr;
    if (list == nullptr || !list->is_array()) continue;
    std::size_t number = 0;
    for (const boost::json::value& input : list->get_array()) {
      ++number;
      for (const HttpStep& answer : answers)
        plays.push_back({operation.name, number, boost::json::serialize(input), answer});
    }
  }
  return plays;
}

std::string play_key(std::size_t index) {
  return fmt::format("conformance/{}", index);
}

std::string to_text(const Played& played) {
  std::string text;
  for (const SentRequest& request : played.requests) text += line_of(request);
  for (const SignAsked& asked : played.signatures)
    text += fmt::format("has {} signed by {} in form {}\n", quoted(asked.data), quoted(asked.secret), asked.kind);
  for (const EmittedEvent& event : played.events)
    text += fmt::format("emits {} {} about {}: {}\n", quoted(event.id), quoted(event.type), quoted(event.subject),
                        quoted(event.data));
  return text + line_of(played.outcome);
}

PlayedHere play_here(const trv_entry& entry, std::string_view plugin, const std::vector<Play>& plays,
                     const PlayOptions& options) {
  options.doing("create and activate");
  PlayedHere all;
  FakeHost host(entry, plugin);
  if (!host.activate(options.configuration)) {
    all.problem = fmt::format("cannot be activated with {}: {}", options.configuration,
                              host.activation_error() ? host.activation_error()->message : "no reason given");
    return all;
  }
  for (std::size_t index = 0; index < plays.size(); ++index) {
    const Play& play = plays[index];
    options.doing(play.name());
    const std::size_t requests = host.requests().size();
    const std::size_t signatures = host.signatures().size();
    const std::size_t events = host.events().size();
    const std::uint64_t call = host.begin({.operation = play.operation,
                                           .input = play.input,
                                           .connection = std::string(play_connection),
                                           .tenant = std::string(play_tenant),
                                           .idempotency_key = play_key(index),
                                           .traceparent = std::string(play_traceparent)});
    if (!finish(host, call, play.answer)) {
      host.cancel(call);
      host.settle();
      all.texts.emplace_back(std::nullopt);
      continue;
    }
    CallOutcome outcome = host.outcome(call).value_or(CallOutcome{});
    if (outcome.error) outcome.error->message = options.shown(outcome.error->message);
    all.texts.emplace_back(to_text({.requests = from(host.requests(), requests),
                                    .signatures = from(host.signatures(), signatures),
                                    .events = from(host.events(), events),
                                    .outcome = std::move(outcome)}));
  }
  options.doing("deactivate and destroy");
  host.deactivate();
  host.destroy();
  return all;
}

}  // namespace trv::conformance::suite
