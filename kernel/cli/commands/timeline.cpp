#include "kernel/cli/commands/timeline.hpp"

#include <fmt/format.h>

#include <charconv>

#include "kernel/cli/commands/event_follower.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/patience.hpp"
#include "kernel/cli/terminal/text.hpp"

namespace trv::cli {
namespace {

constexpr base::Duration idle = std::chrono::seconds(2);
constexpr std::size_t clock_width = 12;

std::uint64_t number_of(const std::string& text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// What the step says of its length; "" where it says nothing, or nothing that a length can be.
std::string duration_of(const json::Value& task) {
  const json::Value* ms = task.find("duration_ms");
  if (ms == nullptr || !ms->is_number()) return {};
  const double length = ms->as_double();
  return !(length >= 0) || length > 1e15 ? "" : duration_text(length);
}

// "2026-01-31T12:00:00.123456Z" -> "12:00:00.123"
std::string clock_time(const std::string& time) {
  const auto at = time.find('T');
  return at == std::string::npos ? time : time.substr(at + 1, clock_width);
}

}  // namespace

std::string duration_text(double ms) {
  if (ms <= 0) return "0 ms";
  if (ms < 1) return fmt::format("{:.0f} µs", ms * 1000);
  if (ms < 1000) return fmt::format("{:.0f} ms", ms);
  if (ms < 60'000) return fmt::format("{:.2f} s", ms / 1000);
  const auto seconds = static_cast<std::int64_t>(ms / 1000);
  return fmt::format("{} min {} s", seconds / 60, seconds % 60);
}

RunningTable timeline_table(const Style& style) {
  return {{{.title = "TIME", .width = clock_width},
           {.title = "TASK", .width = 22},
           {.title = "OPERATION", .width = 28},
           {.title = "OUTCOME", .width = 10},
           {.title = "DURATION", .align = Align::right, .width = 9}},
          style};
}

std::vector<std::string> timeline_row(const json::Value& task, const std::string& known_operation) {
  std::string operation = member_text(task, "operation");
  if (operation.empty()) operation = known_operation;
  if (operation.empty()) operation = member_text(task, "kind");
  std::string outcome = member_text(task, "outcome");
  if (outcome.empty()) outcome = member_text(task, "event");
  const std::string attempt = member_text(task, "attempt");
  std::string name = member_text(task, "task");
  if (number_of(attempt) > 1) name += " #" + attempt;
  if (name.empty()) name = "(workflow)";
  return {clock_time(member_text(task, "time")), name, operation, outcome, duration_of(task)};
}

base::Result<json::Value> Timeline::get(const std::string& target) {
  TRV_TRY_ASSIGN(const HttpResponse response,
                 ask_patiently(session_, [&] { return session_.send(Speaker::member, {.target = target}); }));
  if (response.status < 200 || response.status > 299) return base::fail(Session::refusal_of(response));
  auto parsed = parse_json("the answer to " + target, response.body);
  // What a server sends is not the user's mistake.
  if (!parsed) return base::fail(base::ErrorCode::internal, parsed.error().message());
  return parsed;
}

base::Status Timeline::print_new() {
  for (;;) {
    TRV_TRY_ASSIGN(const std::string target,
                   session_.tenant_target("/instances/" + percent_encoded(instance_) + "/tasks" +
                                          query_of({{"limit", "500"}, {"cursor", cursor_}})));
    TRV_TRY_ASSIGN(const json::Value page, get(target));
    TRV_TRY_ASSIGN(const auto items, items_of(page));
    for (; printed_of_page_ < items.size(); ++printed_of_page_) {
      const json::Value& item = items[printed_of_page_];
      if (session_.as_json()) {
        session_.print_value(item);
        continue;
      }
      if (!table_) session_.world().out << table_.emplace(timeline_table(session_.style())).titles();
      // Only the step that starts a call names its operation; the steps after it are about the same one.
      std::string& operation = operations_[member_text(item, "reference")];
      if (const std::string named = member_text(item, "operation"); !named.empty()) operation = named;
      session_.world().out << table_->row(timeline_row(item, operation));
      if (const std::string actor = member_text(item, "actor"); !actor.empty()) {
        // What is recorded where nobody gave a reason says the actor only.
        const std::string reason = member_text(item, "reason");
        const std::string why = reason == "asked for by " + actor ? "" : ": " + reason;
        session_.print(fmt::format("{:{}}  by {}{}", "", clock_width, actor, why));
      }
      session_.world().out << std::flush;
    }
    const std::string next = member_text(page, "next_cursor");
    if (next.empty()) return {};
    cursor_ = next;
    printed_of_page_ = 0;
  }
}

base::Result<json::Value> Timeline::ended() {
  TRV_TRY_ASSIGN(const std::string target, session_.tenant_target("/instances/" + percent_encoded(instance_)));
  TRV_TRY_ASSIGN(json::Value instance, get(target));
  const std::string status = member_text(instance, "status");
  if (status == "completed" || status == "faulted" || status == "cancelled") return instance;
  return json::Value();
}

namespace {

/// The instance's error, whose members other than `type` may be missing: what it is, where, and why.
std::string fault_text(const json::Value& instance) {
  const std::string title = member_text(instance, "error.title");
  const std::string place = member_text(instance, "error.instance");
  const std::string detail = member_text(instance, "error.detail");
  std::string text = title.empty() ? member_text(instance, "error.type") : title;
  if (const std::string status = member_text(instance, "error.status"); !status.empty()) text += " " + status;
  if (!place.empty()) text = fmt::format("task {} faulted: {}", place, text);
  if (!detail.empty()) text += ": " + detail;
  return text;
}

}  // namespace

ExitCode Timeline::tell_end(const json::Value& instance) {
  const std::string status = member_text(instance, "status");
  if (session_.as_json()) {
    session_.print_value(instance);
  } else {
    std::string line = coloured(status, colour_of(status), session_.style());
    const auto started = base::Timestamp::from_rfc3339(member_text(instance, "started"));
    const auto end = base::Timestamp::from_rfc3339(member_text(instance, "ended"));
    if (started && end)
      line += " after " + duration_text(std::chrono::duration<double, std::milli>(*end - *started).count());
    session_.world().out << line << '\n';
    if (const std::string output = member_text(instance, "output"); !output.empty())
      session_.print("output: " + output);
    if (const std::string error = member_text(instance, "error"); !error.empty())
      session_.complain(fault_text(instance));
    if (const std::string left = joined(instance, "not_compensated"); !left.empty())
      session_.complain("not compensated: " + left + "; what these tasks have done is not undone");
  }
  return status == "completed" ? ExitCode::ok : status == "faulted" ? ExitCode::faulted : ExitCode::refused;
}

base::Result<ExitCode> Timeline::follow() {
  auto ended = follow_to_the_end();
  if (ended || ended.error().code() != base::ErrorCode::unavailable) return ended;
  return base::fail(base::ErrorCode::unavailable,
                    fmt::format("{}\nThe instance goes on without this command: trav instance watch {}",
                                ended.error().message(), instance_));
}

base::Result<ExitCode> Timeline::follow_to_the_end() {
  // The stream is open before the first look, so nothing can happen between the look and the stream.
  EventFollower events(session_, "");
  TRV_TRY(events.connect());
  base::Duration looked{};
  bool look = true;
  for (;;) {
    if (look) {
      // Asked for before the steps: an instance that has ended has all of them.
      TRV_TRY_ASSIGN(const json::Value end, ended());
      TRV_TRY(print_new());
      if (!end.is_null()) return tell_end(end);
      looked = session_.world().clock.monotonic();
    }
    TRV_TRY_ASSIGN(const std::vector<ServerSentEvent> came, events.next(idle));
    if (session_.out_is_gone()) return ExitCode::refused;  // how it ends is not known
    look = session_.world().clock.monotonic() - looked >= idle;
    for (const ServerSentEvent& event : came) look = look || event.data.find(instance_) != std::string::npos;
  }
}

}  // namespace trv::cli
