// trav instance: runs of workflows.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/cli/commands/bulk.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/operate.hpp"
#include "kernel/cli/commands/timeline.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::cli {
namespace {

struct InstanceArguments {
  std::string id;
  std::string at;
  BulkArguments many;
  std::string limit;
  std::string cursor;
  std::string reason;
  std::string version;
  std::string data;
  bool compensates = false;
};

/// The instance as the server sent it, with its steps as `tasks`: its `steps` say how many they are.
base::Result<ExitCode> show_json(Session& session, const std::string& target, const std::string& body) {
  std::string steps;
  for (std::string cursor;;) {
    TRV_TRY_ASSIGN(const json::Value page,
                   session.call_json(Speaker::member,
                                     {.target = target + "/tasks" + query_of({{"limit", "500"}, {"cursor", cursor}})}));
    TRV_TRY_ASSIGN(const auto items, items_of(page));
    for (const json::Value& item : items) steps += (steps.empty() ? "" : ",") + json::serialize(item);
    std::string next = member_text(page, "next_cursor");
    if (next.empty()) break;
    if (next == cursor) return base::fail(base::ErrorCode::internal, "the server's list of tasks repeats a page");
    cursor = std::move(next);
  }
  const std::size_t end = body.rfind('}');
  if (end == std::string::npos) return base::fail(base::ErrorCode::internal, "the server's answer is not an object");
  session.print_json(body.substr(0, end) + ",\"tasks\":[" + steps + "]}");
  return ExitCode::ok;
}

/// Why an instance does not go on, and what to do.
void print_parked(Session& session, const json::Value& instance) {
  const json::Value* parked = instance.find("parked_effects");
  if (parked == nullptr || !parked->is_array()) return;
  for (const json::Value& one : parked->items()) {
    session.world().out << fmt::format(
        "\nThe call at {} is parked: the daemon ended {} times during operation '{}' of plugin '{}' {}. Mend the "
        "plugin, "
        "then: trav effect release {}\n",
        member_text(one, "reference"), member_text(one, "deaths"), member_text(one, "operation"),
        member_text(one, "plugin"), member_text(one, "version"), member_text(one, "id"));
  }
}

/// What plugins say of the calls that are under way.
void print_progress(Session& session, const json::Value& instance) {
  const json::Value* progress = instance.find("progress");
  if (progress == nullptr || !progress->is_array()) return;
  for (const json::Value& one : progress->items()) {
    const json::Value* fraction = one.find("fraction");
    const bool is_known = fraction != nullptr && fraction->is_number();
    session.world().out << fmt::format(
        "\nUnder way: {}{}{} (said {})\n", is_known ? fmt::format("{:.0f} %", fraction->as_double() * 100) : "",
        is_known && !member_text(one, "text").empty() ? ", " : "", member_text(one, "text"), member_text(one, "time"));
    const std::string streamed = member_text(one, "streamed");
    if (!streamed.empty()) session.world().out << printable(streamed, LineEnds::kept) << '\n';
  }
}

/// The parts of those calls: how long each took, or that it is under way.
void print_spans(Session& session, const json::Value& instance) {
  const json::Value* spans = instance.find("spans");
  if (spans == nullptr || !spans->is_array() || spans->items().empty()) return;
  session.world().out << '\n';
  for (const json::Value& one : spans->items()) {
    const json::Value* took = one.find("took_ms");
    const bool has_ended = took != nullptr && took->is_number();
    std::string line = fmt::format("  {:<32}{:>14}", member_text(one, "name"),
                                   has_ended ? fmt::format("{:.1f} ms", took->as_double()) : "under way");
    if (const json::Value* attributes = one.find("attributes"); attributes != nullptr && attributes->is_object()) {
      for (const json::Entry& attribute : attributes->entries()) {
        line += fmt::format("  {}={}", attribute.name(), member_text(*attributes, attribute.name()));
      }
    }
    session.world().out << line << '\n';
  }
}

/// The last part of the error's type, its status, and what it says.
std::string words_of_error(const json::Value& instance) {
  const json::Value* error = instance.find("error");
  if (error == nullptr || !error->is_object()) return {};
  const std::string type = member_text(*error, "type");
  std::string words = type.substr(type.rfind('/') + 1);
  const std::string status = member_text(*error, "status");
  if (!status.empty()) words += " " + status;
  std::string says = member_text(*error, "detail");
  if (says.empty()) says = member_text(*error, "title");
  return says.empty() ? words : words + ": " + says;
}

base::Result<ExitCode> show(Session& session, const InstanceArguments& arguments) {
  if (!arguments.at.empty()) return show_past(session, arguments.id, arguments.at);
  TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/instances/" + percent_encoded(arguments.id)));
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::member, {.target = target}));
  if (session.as_json()) return show_json(session, target, response.body);
  session.print_object(response, {{"id", "id"},
                                  {"workflow", "workflow.name"},
                                  {"namespace", "workflow.namespace"},
                                  {"version", "workflow.version"},
                                  {"status", "status"},
                                  {"current task", "current_task"},
                                  {"started", "started"},
                                  {"goes on", "due"},
                                  {"ended", "ended"},
                                  {"trigger", "trigger"},
                                  {"key", "key"},
                                  {"correlation", "correlation"},
                                  {"input", "input"},
                                  {"output", "output"},
                                  {"error", "error"}});
  TRV_TRY_ASSIGN(const json::Value instance, parse_json("the answer", response.body));
  print_parked(session, instance);
  print_progress(session, instance);
  print_spans(session, instance);
  session.world().out << '\n';
  TRV_TRY(Timeline(session, arguments.id).print_new());
  return ExitCode::ok;
}

base::Result<ExitCode> act_on_found(Session& session, const InstanceArguments& arguments, std::string_view action) {
  if (!arguments.data.empty()) {
    return base::fail(base::ErrorCode::invalid, "--input and --result are for one instance; give its ID");
  }
  BulkArguments many = arguments.many;
  many.action = action;
  many.reason = arguments.reason;
  if (!arguments.version.empty()) many.more.set("version", json::Value(arguments.version));
  if (arguments.compensates) many.more.set("compensate", json::Value(true));
  return act_on_many(session, many);
}

/// `member` is the body's name for the data; empty: there is none.
base::Result<ExitCode> act(Session& session, const InstanceArguments& arguments, std::string_view action,
                           std::string_view member) {
  if (arguments.id.empty()) return act_on_found(session, arguments, action);
  TRV_TRY(check_alone(arguments.many));
  json::Value body = json::Value::object();
  if (!arguments.reason.empty()) body.set("reason", json::Value(arguments.reason));
  if (!arguments.version.empty()) body.set("version", json::Value(arguments.version));
  if (arguments.compensates) body.set("compensate", json::Value(true));
  if (arguments.many.is_dry) body.set("dry_run", json::Value(true));
  if (!arguments.data.empty()) {
    TRV_TRY_ASSIGN(json::Value data, parse_json(action == "skip" ? "--result" : "--input", arguments.data));
    body.set(member, std::move(data));
  }
  TRV_TRY_ASSIGN(const std::string target,
                 session.tenant_target(fmt::format("/instances/{}/{}", percent_encoded(arguments.id), action)));
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::member, {.method = "POST",
                                                                             .target = target,
                                                                             .content_type = "application/json",
                                                                             .body = json::serialize(body)}));
  if (session.as_json()) {
    session.print_json(response.body);
    return ExitCode::ok;
  }
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  session.print(arguments.many.is_dry ? possible(action, arguments.id, answer)
                                      : fmt::format("Instance {} is {}.", arguments.id, member_text(answer, "status")));
  return ExitCode::ok;
}

}  // namespace

void add_instance(CommandTree& tree) {
  Noun noun = tree.noun("instance", "Instances: runs of workflows");
  noun.example("trav instance list --error timeout --since 2h")
      .example("trav instance list --key ORDER-17")
      .example("trav instance retry --workflow sales/order --error timeout --since 2h --dry-run")
      .example("trav instance show 0192f3c1-…")
      .example("trav instance watch 0192f3c1-… --output json | jq .outcome");
  const auto arguments = std::make_shared<InstanceArguments>();
  Verb list = noun.verb("list", "List instances, the newest first");
  add_search(list, arguments->many.search)
      .paging(arguments->limit, arguments->cursor)
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/instances"));
        return session.print_list(
            Speaker::member,
            {.target = target,
             .filters = arguments->many.search.filters(),
             .limit = arguments->limit,
             .cursor = arguments->cursor},
            {{.title = "ID", .member = "id", .fit = Fit::id},
             {.title = "WORKFLOW", .member = "{workflow.namespace}/{workflow.name}:{workflow.version}"},
             {.title = "STATUS", .member = "status"},
             {.title = "STARTED", .member = "started", .fit = Fit::time},
             {.title = "ENDED", .member = "ended", .fit = Fit::time},
             {.title = "ERROR", .member = "error", .text = words_of_error}},
            "No instances: trav run NS/NAME");
      });
  noun.verb("show", "Show an instance and its steps")
      .argument("ID", arguments->id, "The instance")
      .option("--at", "EVENT", arguments->at,
              "As it was behind this event: its id, its position, or a time such as 2026-01-31T12:00:00Z")
      .does([arguments](Session& session) { return show(session, *arguments); });
  noun.verb("watch", "Show the steps of an instance as they happen, to its end")
      .argument("ID", arguments->id, "The instance")
      .does([arguments](Session& session) { return Timeline(session, arguments->id).follow(); });
  const auto acts = [&](const std::string& verb, const std::string& help) {
    Verb made = noun.verb(verb, help);
    made.argument("ID", arguments->id, "The instance; without one, those that the options find", Need::optional)
        .option("--reason", "TEXT", arguments->reason, "Why; the instance's record keeps it");
    add_bulk(made, arguments->many);
    return made;
  };
  acts("cancel", "Stop an instance; its calls are cancelled")
      .flag("--compensate", arguments->compensates, "First undo what its completed tasks have done")
      .example("trav instance cancel 0192f3c1-… --compensate --reason 'ordered twice'")
      .does([arguments](Session& session) { return act(session, *arguments, "cancel", ""); });
  acts("suspend", "Let an instance wait: no task of it begins and no timer is due").does([arguments](Session& session) {
    return act(session, *arguments, "suspend", "");
  });
  acts("resume", "Let a suspended instance go on")
      .option("--input", "JSON", arguments->data, "What the task gets that is about to begin, in place of its input")
      .does([arguments](Session& session) { return act(session, *arguments, "resume", "input"); });
  acts("retry", "Try the task again that failed, and go on")
      .option("--input", "JSON", arguments->data, "What the task gets in place of its input")
      .option("--version", "VERSION", arguments->version, "Go on with this version of the workflow")
      .example("trav instance retry 0192f3c1-… --version 1.0.1 --reason 'the address was wrong'")
      .does([arguments](Session& session) { return act(session, *arguments, "retry", "input"); });
  acts("skip", "Go on behind the task that failed")
      .option("--result", "JSON", arguments->data, "What follows gets this, as if the task had given it")
      .option("--version", "VERSION", arguments->version, "Go on with this version of the workflow")
      .does([arguments](Session& session) { return act(session, *arguments, "skip", "output"); });
  add_instance_operations(noun);
}

}  // namespace trv::cli
