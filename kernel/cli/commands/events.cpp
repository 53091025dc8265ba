// trav events: what happens in a tenant.

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <set>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/event_follower.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/terminal/table.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/random.hpp"

namespace trv::cli {
namespace {

constexpr base::Duration wait_slice = std::chrono::seconds(1);

struct EventArguments {
  std::string after;
  std::string type;
  std::string count;
  std::string id;
  std::string source;
  std::string subject;
  std::string data;
  std::string file;
  bool lifecycle = false;
};

constexpr std::size_t events_bytes_max = 25'000'000;

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
  EventFollower events(session, arguments.after, arguments.lifecycle);
  TRV_TRY(events.connect());
  const RunningTable table = table_of(session.style());
  if (!session.as_json()) session.world().out << table.titles() << std::flush;
  bool is_waiting_said = !session.world().err_is_terminal;
  for (;;) {
    TRV_TRY_ASSIGN(const std::vector<ServerSentEvent> came, events.next(wait_slice));
    if (came.empty() && !is_waiting_said) {
      session.note(fmt::format("waiting for events{}; Ctrl-C ends",
                               arguments.after.empty() ? ", from now on (--after 0 begins at the first)" : ""));
    }
    is_waiting_said = true;
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

/// What a file or standard input holds: a CloudEvent, or a list of them.
base::Result<json::Value> events_in(Session& session, const std::string& file) {
  std::string text;
  if (file == "-") {
    text.assign(std::istreambuf_iterator<char>(session.world().in), {});
  } else {
    TRV_TRY_ASSIGN(text, read_file(file, events_bytes_max));
  }
  return parse_json(file == "-" ? "standard input" : file, text);
}

base::Result<json::Value> event_of(const EventArguments& arguments) {
  if (arguments.type.empty()) {
    return base::fail(base::ErrorCode::invalid,
                      "--type is missing: say what the event is, such as com.example.order.paid, "
                      "or give a CloudEvent with --file");
  }
  json::Value event{{"specversion", "1.0"},
                    {"id", arguments.id},
                    {"source", arguments.source.empty() ? std::string("trav") : arguments.source},
                    {"type", arguments.type}};
  if (arguments.id.empty()) {
    base::SystemRandom random;
    std::array<std::uint8_t, 16> bytes{};
    random.fill(bytes);
    event.set("id", json::Value(base::to_hex(bytes)));
  }
  if (!arguments.subject.empty()) event.set("subject", json::Value(arguments.subject));
  if (!arguments.data.empty()) {
    TRV_TRY_ASSIGN(json::Value data, parse_json("--data", arguments.data));
    event.set("datacontenttype", json::Value("application/json"));
    event.set("data", std::move(data));
  }
  return event;
}

base::Result<ExitCode> publish(Session& session, const EventArguments& arguments) {
  const bool has_parts = !arguments.type.empty() || !arguments.id.empty() || !arguments.source.empty() ||
                         !arguments.subject.empty() || !arguments.data.empty();
  if (has_parts && !arguments.file.empty()) {
    return base::fail(base::ErrorCode::invalid, "give the parts of an event, or --file with all of it, not both");
  }
  TRV_TRY_ASSIGN(const json::Value event,
                 arguments.file.empty() ? event_of(arguments) : events_in(session, arguments.file));
  TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/events"));
  const std::string type = event.is_array() ? "application/cloudevents-batch+json" : "application/cloudevents+json";
  TRV_TRY_ASSIGN(
      const HttpResponse response,
      session.call(Speaker::member,
                   {.method = "POST", .target = target, .content_type = type, .body = json::serialize(event)}));
  if (session.as_json()) {
    session.print_json(response.body);
    return ExitCode::ok;
  }
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  const auto each = [&](std::string_view member, std::string_view words) {
    const json::Value* list = answer.find(member);
    if (list == nullptr || !list->is_array()) return;
    for (const json::Value& one : list->items()) session.print(fmt::format("{} {}", words, member_text(one, "")));
  };
  std::set<std::string> known;
  if (const json::Value* duplicates = answer.find("duplicates"); duplicates != nullptr && duplicates->is_array()) {
    for (const json::Value& one : duplicates->items()) known.insert(member_text(one, ""));
  }
  if (const json::Value* received = answer.find("received"); received != nullptr && received->is_array()) {
    for (const json::Value& one : received->items()) {
      const std::string id = member_text(one, "");
      session.print(fmt::format("received {}{}", id,
                                known.contains(id) ? ": its source and id were received before; nothing changed" : ""));
    }
  }
  each("started", "started instance");
  each("heard", "heard by instance");
  return ExitCode::ok;
}

}  // namespace

void add_events(CommandTree& tree) {
  Noun noun = tree.noun("events", "Events: everything that happens in a tenant, in order");
  noun.example("trav events tail --after 0                     from the beginning, then on")
      .example(
          "trav events tail --lifecycle --output json           what workflows and tasks do, as their language says it")
      .example("trav events tail --type trv.workflow. --output json | jq .data");
  const auto arguments = std::make_shared<EventArguments>();
  noun.verb("tail", "Print events as they happen, until interrupted")
      .option("--after", "POSITION", arguments->after, "Start after this event; 0 is the beginning (default now)")
      .option("--type", "PREFIX", arguments->type, "Only types that begin so")
      .flag("--lifecycle", arguments->lifecycle,
            "The lifecycle events of the workflow language, io.serverlessworkflow.…, in place of the records")
      .option("--count", "N", arguments->count, "End after so many")
      .does([arguments](Session& session) { return tail(session, *arguments); });
  noun.verb("publish", "Send an event: it starts workflows and goes to the instances that listen for it")
      .option("--type", "TYPE", arguments->type, "What it is, such as com.example.order.paid")
      .option("--data", "JSON", arguments->data, "What it says")
      .option("--source", "URI", arguments->source, "Where it comes from (default trav)")
      .option("--subject", "TEXT", arguments->subject, "What it is about")
      .option("--id", "ID", arguments->id, "The same source and id are taken once (default a new one)")
      .option("--file", "FILE", arguments->file, "A CloudEvent as JSON, or a list of up to 100; - is standard input")
      .example("trav events publish --type com.example.order.paid --data '{\"order\": 17}'")
      .does([arguments](Session& session) { return publish(session, *arguments); });
}

}  // namespace trv::cli
