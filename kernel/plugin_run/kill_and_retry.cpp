#include "kernel/plugin_run/kill_and_retry.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/plugin_host/payload.hpp"

namespace trv::plugin_run {
namespace {

constexpr std::string_view key = "conformance/killed";
constexpr std::size_t shown_bytes_max = 200;

std::string shown(std::string_view text) {
  return plugin_host::printable(text, shown_bytes_max);
}

std::string all_of(std::string_view what, const std::set<std::string>& operations) {
  return fmt::format("{} {}", operations.size() == 1 ? "operation" : "operations", fmt::join(operations, ", ")) +
         std::string(what);
}

}  // namespace

std::vector<std::string> differences_of_retry(const conformance::suite::Played& whole,
                                              const conformance::suite::Played& again) {
  std::vector<std::string> findings;
  for (const conformance::SentRequest& request : again.requests) {
    if (request.idempotency_key.empty()) continue;
    const auto same =
        std::ranges::find(whole.requests, request.idempotency_key, &conformance::SentRequest::idempotency_key);
    if (same == whole.requests.end()) continue;
    if (same->method == request.method && same->path == request.path && same->body == request.body) continue;
    findings.push_back(
        fmt::format("with the idempotency key {} it sends {} {} {}, and without a kill {} {} {}: a service "
                    "would take one for the other",
                    request.idempotency_key, request.method, shown(request.path), shown(request.body), same->method,
                    shown(same->path), shown(same->body)));
  }
  for (const conformance::EmittedEvent& event : again.events) {
    const auto same = std::ranges::find(whole.events, event.id, &conformance::EmittedEvent::id);
    if (same == whole.events.end()) continue;
    if (same->type == event.type && same->subject == event.subject && same->data == event.data) continue;
    findings.push_back(fmt::format("with the id {} it emits {} {}, and without a kill {} {}", event.id,
                                   shown(event.type), shown(event.data), shown(same->type), shown(same->data)));
  }
  if (again.outcome.error) {
    if (again.outcome.error->code == TRV_ERROR_INTERNAL) {
      findings.push_back(
          fmt::format("it fails as internal, which means a defect: {}", shown(again.outcome.error->message)));
    }
  } else if (whole.outcome.output && again.outcome.output != whole.outcome.output) {
    findings.push_back(fmt::format("it answers {}, and without a kill {}",
                                   shown(again.outcome.output.value_or("nothing")), shown(*whole.outcome.output)));
  }
  return findings;
}

base::Result<IsolatedPlay> KillAndRetry::make_whole(const conformance::suite::Play& play) {
  isolated_.empty_store();
  return isolated_.make(play, {.key = std::string(key)});
}

base::Status KillAndRetry::hold(const conformance::suite::Play& play) {
  const auto operation = std::ranges::find(manifest_.operations, play.operation, &package::Operation::name);
  if (operation == manifest_.operations.end() || !operation->idempotent) {
    not_idempotent_.insert(play.operation);
    return {};
  }
  TRV_TRY_ASSIGN(const IsolatedPlay whole, make_whole(play));
  if (whole.end != IsolatedPlay::End::answered) return {};  // found where it is called with each answer
  if (whole.asked == 0) asks_for_nothing_.insert(play.operation);
  for (std::size_t at = 1; at <= std::min(whole.asked, kills_max); ++at) {
    isolated_.empty_store();
    TRV_TRY_ASSIGN(const IsolatedPlay killed, isolated_.make(play, {.key = std::string(key), .kill_at = at}));
    if (!killed.was_killed) continue;  // it asked for less this time
    TRV_TRY_ASSIGN(const IsolatedPlay again, isolated_.make(play, {.key = std::string(key), .attempt = 2}));
    const std::string where = fmt::format("operation {}, example {}, killed at its request {} and made again",
                                          play.operation, play.example, at);
    if (again.end == IsolatedPlay::End::crashed || again.end == IsolatedPlay::End::hung) {
      findings_.push_back(fmt::format("{}: it {}: {}", where, again.end == IsolatedPlay::End::hung ? "hung" : "crashed",
                                      again.message));
      return {};
    }
    std::vector<std::string> found = differences_of_retry(whole.played, again.played);
    if (found.empty()) continue;
    // What is never the same is not held against itself.
    TRV_TRY_ASSIGN(const IsolatedPlay once_more, make_whole(play));
    if (once_more.text != whole.text) {
      never_the_same_.insert(play.operation);
      return {};
    }
    for (const std::string& one : found) findings_.push_back(fmt::format("{}: {}", where, one));
    return {};
  }
  return {};
}

std::vector<std::string> KillAndRetry::take_remarks() const {
  std::vector<std::string> remarks;
  if (!asks_for_nothing_.empty()) {
    remarks.push_back(
        all_of(": asks the host for nothing, so that there is no middle to be killed in", asks_for_nothing_));
  }
  if (!not_idempotent_.empty()) {
    remarks.push_back(
        all_of(": not idempotent by the manifest, so not made again after a kill and not killed", not_idempotent_));
  }
  if (!never_the_same_.empty()) {
    remarks.push_back(
        all_of(": two calls with the same key differ, so those that were killed were not compared", never_the_same_));
  }
  return remarks;
}

}  // namespace trv::plugin_run
