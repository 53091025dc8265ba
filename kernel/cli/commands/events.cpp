// trav events: what happens in a tenant.

#include <fmt/format.h>

#include <charconv>

#include "kernel/cli/commands/event_follower.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/terminal/table.hpp"

namespace trv::cli {
namespace {

constexpr base::Duration wait_slice = std::chrono::seconds(1);

struct EventArguments {
  std::string after;
  std::string type;
  std::string count;
};

base::Result<std::uint64_t> number_of(std::string_view option, const std::string& text) {
  if (const auto number = whole_number(text)) return *number;
  return base::fail(base::ErrorCode::invalid, fmt::format("{}: '{}' is not a whole number", option, text));
}

// At 80 columns a type of the kernel and the id of an instance fit.
RunningTable table_of(const Style& style) {
  return {{{.title = "TIME", .fit = Fit::clock, .width = 27},
           {.title = "TYPE", .width = 36},
           {.title = "SUBJECT", .fit = Fit::id, .width = 40},
           {.title = "ACTOR", .width = 18},
           {.title = "POSITION", .fit = Fit::id, .width = 24}},
          style};
}

std::vector<std::string> row_of(const ServerSentEvent& event) {
  const auto parsed = parse_json("event", event.data);
  const json::Value cloud_event = parsed ? *parsed : json::Value();
  return {member_text(cloud_event, "time"), event.type, member_text(cloud_event, "subject"),
          member_text(cloud_event, "actor"), event.id};
}

base::Result<ExitCode> tail(Session& session, const EventArguments& arguments) {
  std::uint64_t left = 0;
  if (!arguments.count.empty()) {
    TRV_TRY_ASSIGN(left, number_of("--count", arguments.count));
    if (left == 0) return ExitCode::ok;
  }
  EventFollower events(session, arguments.after);
  TRV_TRY(events.connect());
  const RunningTable table = table_of(session.style());
  if (!session.as_json()) session.world().out << table.titles() << std::flush;
  for (;;) {
    TRV_TRY_ASSIGN(const std::vector<ServerSentEvent> came, events.next(wait_slice));
    for (const ServerSentEvent& event : came) {
      if (!event.type.starts_with(arguments.type)) continue;
      if (session.as_json()) {
        session.print_json(event.data);
      } else {
        session.world().out << table.row(row_of(event)) << std::flush;
      }
      if (left > 0 && --left == 0) return ExitCode::ok;
    }
    if (session.out_is_gone()) return ExitCode::ok;
  }
}

}  // namespace

void add_events(CommandTree& tree) {
  Noun noun = tree.noun("events", "Events: everything that happens in a tenant, in order");
  noun.example("trav events tail --after 0                     from the beginning, then on")
      .example("trav events tail --type trv.workflow. --output json | jq .data");
  const auto arguments = std::make_shared<EventArguments>();
  noun.verb("tail", "Print events as they happen, until interrupted")
      .option("--after", "POSITION", arguments->after, "Start after this event; 0 is the beginning (default now)")
      .option("--type", "PREFIX", arguments->type, "Only types that begin so")
      .option("--count", "N", arguments->count, "End after so many")
      .does([arguments](Session& session) { return tail(session, *arguments); });
}

}  // namespace trv::cli
