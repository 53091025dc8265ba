#include "kernel/cli/commands/operate.hpp"

#include <fmt/format.h>

#include <iterator>
#include <memory>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/bulk.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::cli {
namespace {

constexpr std::size_t data_bytes_max = 4'000'000;

struct OperateArguments {
  std::string id;
  std::string at;
  std::string type;
  std::string data;
  std::string data_file;
  std::string version;
  std::string reason;
  std::vector<std::string> map;
  BulkArguments many;
};

/// The same of all that the options find.
base::Result<ExitCode> act_on_found(Session& session, const OperateArguments& arguments, std::string_view action,
                                    const json::Value& body) {
  BulkArguments many = arguments.many;
  many.action = action;
  many.more = body;
  return act_on_many(session, many);
}

base::Result<HttpResponse> post(Session& session, const std::string& instance, std::string_view action,
                                const json::Value& body) {
  TRV_TRY_ASSIGN(const std::string target,
                 session.tenant_target(fmt::format("/instances/{}/{}", percent_encoded(instance), action)));
  return session.call(
      Speaker::member,
      {.method = "POST", .target = target, .content_type = "application/json", .body = json::serialize(body)});
}

base::Result<ExitCode> fork(Session& session, const OperateArguments& arguments) {
  json::Value body = {{"at", arguments.at}};
  TRV_TRY_ASSIGN(const std::string input, json_given(session, "--input", arguments.data, arguments.data_file));
  if (!input.empty()) {
    TRV_TRY_ASSIGN(json::Value value, parse_json("--input", input));
    body.set("input", std::move(value));
  }
  if (!arguments.version.empty()) body.set("version", json::Value(arguments.version));
  if (!arguments.reason.empty()) body.set("reason", json::Value(arguments.reason));
  if (arguments.id.empty()) return act_on_found(session, arguments, "fork", body);
  TRV_TRY(check_alone(arguments.many));
  if (arguments.many.is_dry) body.set("dry_run", json::Value(true));
  TRV_TRY_ASSIGN(const HttpResponse response, post(session, arguments.id, "fork", body));
  if (session.as_json()) {
    session.print_json(response.body);
    return ExitCode::ok;
  }
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  if (arguments.many.is_dry) {
    session.print(possible("fork", arguments.id, answer));
    return ExitCode::ok;
  }
  session.print(fmt::format("Instance {} goes on from {} and is {}.", member_text(answer, "id"), arguments.id,
                            member_text(answer, "status")));
  return ExitCode::ok;
}

base::Result<ExitCode> signal(Session& session, const OperateArguments& arguments) {
  json::Value body = {{"type", arguments.type}};
  TRV_TRY_ASSIGN(const std::string data, json_given(session, "--data", arguments.data, arguments.data_file));
  if (!data.empty()) {
    TRV_TRY_ASSIGN(json::Value value, parse_json("--data", data));
    body.set("data", std::move(value));
  }
  if (!arguments.reason.empty()) body.set("reason", json::Value(arguments.reason));
  if (arguments.id.empty()) return act_on_found(session, arguments, "signal", body);
  TRV_TRY(check_alone(arguments.many));
  if (arguments.many.is_dry) body.set("dry_run", json::Value(true));
  TRV_TRY_ASSIGN(const HttpResponse response, post(session, arguments.id, "signal", body));
  if (session.as_json()) {
    session.print_json(response.body);
    return ExitCode::ok;
  }
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  session.print(fmt::format("Instance {} {} {}; heard by {}.", arguments.id, arguments.many.is_dry ? "would be" : "is",
                            member_text(answer, "status"), joined(answer, "heard")));
  return ExitCode::ok;
}

base::Result<ExitCode> migrate(Session& session, const OperateArguments& arguments) {
  json::Value body = {{"version", arguments.version}};
  json::Value map = json::Value::object();
  for (const std::string& one : arguments.map) {
    const std::size_t at = one.find('=');
    if (at == std::string::npos || at == 0 || at + 1 == one.size()) {
      return base::fail(base::ErrorCode::invalid,
                        fmt::format("--map '{}' must be OLD=NEW, both names of tasks or references", one));
    }
    if (map.find(std::string_view(one).substr(0, at)) != nullptr) {
      return base::fail(base::ErrorCode::invalid, fmt::format("--map has '{}' twice", one.substr(0, at)));
    }
    map.set(one.substr(0, at), json::Value(one.substr(at + 1)));
  }
  if (!arguments.map.empty()) body.set("map", std::move(map));
  if (!arguments.reason.empty()) body.set("reason", json::Value(arguments.reason));
  if (arguments.id.empty()) return act_on_found(session, arguments, "migrate", body);
  const bool is_dry = arguments.many.is_dry;
  TRV_TRY(check_alone(arguments.many));
  if (is_dry) body.set("dry_run", json::Value(true));
  TRV_TRY_ASSIGN(const HttpResponse response, post(session, arguments.id, "migrate", body));
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  const json::Value* problems = answer.find("problems");
  const bool fits = problems == nullptr || !problems->is_array() || problems->size() == 0;
  if (session.as_json()) {
    session.print_json(response.body);
    return fits ? ExitCode::ok : ExitCode::refused;
  }
  if (const json::Value* tasks = answer.find("tasks"); tasks != nullptr && tasks->is_array()) {
    for (const json::Value& one : tasks->items()) {
      session.print(fmt::format("branch {}: {} is {} ({})", member_text(one, "branch"), member_text(one, "from"),
                                member_text(one, "to"), member_text(one, "kind")));
    }
  }
  if (!fits) {
    for (const json::Value& one : problems->items()) {
      if (one.is_string()) session.complain(one.as_string());
    }
    return ExitCode::refused;
  }
  session.print(is_dry ? fmt::format("Instance {} can go on in version {}.", arguments.id, arguments.version)
                       : fmt::format("Instance {} goes on in version {} and is {}.", arguments.id, arguments.version,
                                     member_text(answer, "status")));
  return ExitCode::ok;
}

/// A branch as a paragraph.
std::string branch_text(const json::Value& branch) {
  std::string inside;
  if (const json::Value* scopes = branch.find("inside_of"); scopes != nullptr && scopes->is_array()) {
    for (const json::Value& one : scopes->items()) {
      inside +=
          fmt::format("{}{} ({})", inside.empty() ? "" : " > ", member_text(one, "task"), member_text(one, "kind"));
    }
  }
  std::string out = fmt::format("branch {}", member_text(branch, "branch"));
  if (member_text(branch, "ended") == "yes") out += ": ended";
  if (!inside.empty()) out += ": in " + inside;
  if (const std::string next = member_text(branch, "next.reference"); !next.empty()) out += "; next " + next;
  if (const std::string waits = member_text(branch, "waits_for"); !waits.empty()) out += "; waits for " + waits;
  if (const std::string due = member_text(branch, "due"); !due.empty()) out += " until " + due;
  if (const std::string key = member_text(branch, "effect.key"); !key.empty()) out += "\n  call: " + key;
  if (const std::string child = member_text(branch, "instance"); !child.empty()) out += "\n  instance: " + child;
  out += "\n  data: " + member_text(branch, "data");
  if (const std::string error = member_text(branch, "error"); !error.empty()) out += "\n  error: " + error;
  return out;
}

}  // namespace

std::string possible(std::string_view action, const std::string& id, const json::Value& answer) {
  return fmt::format("{}: possible for instance {}, which would be {}.", action, id, member_text(answer, "status"));
}

base::Result<std::string> json_given(Session& session, const std::string& option, const std::string& text,
                                     const std::string& file) {
  if (!text.empty() && !file.empty()) {
    return base::fail(base::ErrorCode::invalid, fmt::format("give {0} or {0}-file, not both", option));
  }
  std::string given = text;
  std::string what = option;
  if (file == "-") {
    what = "standard input";
    given.assign(std::istreambuf_iterator<char>(session.world().in), {});
  } else if (!file.empty()) {
    what = file;
    TRV_TRY_ASSIGN(given, read_file(file, data_bytes_max));
  }
  if (given.empty() && file.empty()) return given;
  TRV_TRY(parse_json(what, given));
  return given;
}

base::Result<ExitCode> show_past(Session& session, const std::string& instance, const std::string& at) {
  TRV_TRY_ASSIGN(const std::string target,
                 session.tenant_target("/instances/" + percent_encoded(instance) + "/state" + query_of({{"at", at}})));
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::member, {.target = target}));
  if (session.as_json()) {
    session.print_json(response.body);
    return ExitCode::ok;
  }
  session.print_object(response, {{"id", "id"},
                                  {"workflow", "{workflow.namespace}/{workflow.name}:{workflow.version}"},
                                  {"behind", "at.event"},
                                  {"position", "at.position"},
                                  {"time", "at.time"},
                                  {"status", "status"},
                                  {"current task", "current_task"},
                                  {"started", "started"},
                                  {"goes on", "due"},
                                  {"input", "input"},
                                  {"context", "context"},
                                  {"output", "output"},
                                  {"error", "error"}});
  TRV_TRY_ASSIGN(const json::Value state, parse_json("the answer", response.body));
  const json::Value* branches = state.find("branches");
  if (branches == nullptr || !branches->is_array()) return ExitCode::ok;
  for (const json::Value& one : branches->items()) session.print("\n" + branch_text(one));
  return ExitCode::ok;
}

void add_instance_operations(Noun& noun) {
  const auto arguments = std::make_shared<OperateArguments>();
  Verb forks = noun.verb(
      "fork", "Start a new instance that goes on from where this one was; its calls are made again, with new keys");
  add_bulk(forks, arguments->many)
      .argument("ID", arguments->id, "The instance; without one, those that the options find", Need::optional)
      .option("--at", "EVENT", arguments->at,
              "Behind which event: its id or position, or a time; `trav instance show ID --output json` has them",
              Need::required)
      .option("--input", "JSON", arguments->data, "What the next task gets in place of its input")
      .option("--input-file", "FILE", arguments->data_file, "The same from a file; - is standard input")
      .option("--version", "VERSION", arguments->version, "Go on with this version of the workflow")
      .option("--reason", "TEXT", arguments->reason, "Why; the records of both keep it")
      .example("trav instance fork 0192f3c1-… --at 2026-01-31T12:00:00Z --reason 'with the mended price list'")
      .does([arguments](Session& session) { return fork(session, *arguments); });
  Verb migrates = noun.verb("migrate", "Let a running or suspended instance go on in another version of its workflow");
  add_bulk(migrates, arguments->many)
      .argument("ID", arguments->id, "The instance; without one, those that the options find", Need::optional)
      .option("--to", "VERSION", arguments->version, "The version", Need::required)
      .options("--map", "OLD=NEW", arguments->map, "A task that has another name there; names or references")
      .option("--reason", "TEXT", arguments->reason, "Why; the instance's record keeps it")
      .example("trav instance migrate 0192f3c1-… --to 2.0.0 --map ask-ada=ask-anyone --dry-run")
      .does([arguments](Session& session) { return migrate(session, *arguments); });
  Verb signals = noun.verb("signal", "Deliver a CloudEvent to this instance alone");
  add_bulk(signals, arguments->many)
      .argument("ID", arguments->id, "The instance; without one, those that the options find", Need::optional)
      .option("--type", "TYPE", arguments->type, "Type of the event", Need::required)
      .option("--data", "JSON", arguments->data, "Data of the event")
      .option("--data-file", "FILE", arguments->data_file, "The same from a file; - is standard input")
      .option("--reason", "TEXT", arguments->reason, "Why; the instance's record keeps it")
      .example("trav instance signal 0192f3c1-… --type com.example.approved --data '{\"by\": \"ada\"}'")
      .does([arguments](Session& session) { return signal(session, *arguments); });
}

}  // namespace trv::cli
