// trav workflow: definitions.

#include <fmt/format.h>

#include <filesystem>
#include <iterator>
#include <optional>
#include <vector>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/cases.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/workflow_name.hpp"
#include "kernel/cli/terminal/excerpt.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/workflow/definition/check.hpp"
#include "sdk/base/version.hpp"

namespace trv::cli {
namespace {

struct WorkflowArguments {
  std::string file;
  std::vector<std::string> files;
  std::string name;
  std::string limit;
  std::string cursor;
};

struct Text {
  std::string name = {};  // of the file, for messages
  std::string text = {};
  definition::Format format = definition::Format::yaml;
};

base::Result<Text> read_text(Session& session, const std::string& file) {
  Text read{.name = file, .text = {}};
  if (file == "-") {
    read.name = "standard input";
    read.text.assign(std::istreambuf_iterator<char>(session.world().in), {});
  } else {
    TRV_TRY_ASSIGN(read.text, read_file(file, definition::text_bytes_max * 4));
  }
  const std::size_t first = read.text.find_first_not_of(" \t\r\n");
  const bool braced = file == "-" && first != std::string::npos && read.text[first] == '{';
  if (braced || std::filesystem::path(file).extension() == ".json") read.format = definition::Format::json;
  return read;
}

// Where the width of the screen is not known.
constexpr std::size_t excerpt_columns = 120;

// "file:line:column: error: message", and below it the line with a caret; without the last line end.
std::string shown_problem(const Session& session, const Text& read, const definition::Problem& problem) {
  const int columns = session.style().columns;
  const std::size_t width = columns > 22 ? static_cast<std::size_t>(columns) - 2 : columns > 0 ? 20 : excerpt_columns;
  const definition::Position& at = problem.position;
  const std::string place = at.line > 0 ? fmt::format(":{}:{}", at.line, at.column) : std::string();
  std::string shown =
      fmt::format("{}{}: {}: {}\n{}", printable(read.name), place, problem.is_warning ? "warning" : "error",
                  printable(problem.message), excerpt(read.text, at.line, at.column, width));
  shown.pop_back();
  return shown;
}

json::Value problem_json(const Text& read, const definition::Problem& problem) {
  json::Value out = {{"file", read.name}, {"severity", problem.is_warning ? "warning" : "error"}};
  if (problem.position.line > 0) {
    out.set("line", json::Value(problem.position.line));
    out.set("column", json::Value(problem.position.column));
  }
  out.set("message", json::Value(problem.message));
  return out;
}

std::string counted(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

base::Result<ExitCode> check(Session& session, const WorkflowArguments& arguments) {
  if (arguments.files.empty()) {
    return base::fail(base::ErrorCode::invalid, "which definition? Name a FILE, or - for standard input");
  }
  std::vector<Text> texts;
  for (const std::string& file : arguments.files) {
    TRV_TRY_ASSIGN(Text read, read_text(session, file));
    texts.push_back(std::move(read));
  }
  std::size_t errors = 0;
  std::size_t warnings = 0;
  std::size_t shown = 0;
  json::Value all = json::Value::array();
  for (const Text& read : texts) {
    const definition::Findings findings = definition::check(read.text, read.format);
    errors += findings.errors;
    warnings += findings.warnings;
    shown += findings.problems.size();
    for (const definition::Problem& problem : findings.problems) {
      if (session.as_json()) {
        all.push_back(problem_json(read, problem));
      } else {
        session.print(shown_problem(session, read, problem));
      }
    }
    if (findings.errors == 0 && !session.as_json()) {
      const definition::Name& name = findings.name;
      session.print(fmt::format("{} is valid: {}/{}:{}", read.name, name.space, name.name, name.version));
    }
  }
  if (session.as_json()) session.print_value(all);
  if (errors + warnings > 0 && !session.as_json()) {
    session.print(fmt::format("{}, {} in {}", counted(errors, "error"), counted(warnings, "warning"),
                              counted(texts.size(), "file")));
  }
  if (shown < errors + warnings) {
    session.note(fmt::format("{} more are not shown: at most {} are for each file", errors + warnings - shown,
                             definition::Problems::kept_max));
  }
  return errors == 0 ? ExitCode::ok : ExitCode::refused;
}

// What the server found odd in a definition that it took.
void tell_warnings(Session& session, const json::Value& answer) {
  const json::Value* warnings = answer.find("warnings");
  if (warnings == nullptr || !warnings->is_array()) return;
  for (const json::Value& warning : warnings->items()) session.warn(member_text(warning, ""));
}

base::Result<ExitCode> apply(Session& session, const WorkflowArguments& arguments) {
  TRV_TRY_ASSIGN(const Text read, read_text(session, arguments.file));
  TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/workflows"));
  const bool is_json = read.format == definition::Format::json;
  const auto response = session.call(Speaker::member,
                                     {.method = "POST",
                                      .target = target,
                                      .content_type = is_json ? "application/json" : "application/yaml",
                                      .body = read.text},
                                     ProblemPlace::in_error);
  if (!response) {
    const base::Error& error = response.error();
    if (error.line() == 0) return base::fail(error);
    session.note(shown_problem(
        session, read, {.position = {.line = error.line(), .column = error.column()}, .message = error.message()}));
    return ExitCode::refused;
  }
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response->body));
  tell_warnings(session, answer);
  if (session.as_json()) {
    session.print_json(response->body);
    return ExitCode::ok;
  }
  const std::string name = fmt::format("{}/{}:{}", member_text(answer, "namespace"), member_text(answer, "name"),
                                       member_text(answer, "version"));
  session.print(response->status == 201 ? "Applied " + name : "Unchanged " + name);
  return ExitCode::ok;
}

// A version of a workflow as lists show it; the highest where `wanted` has none.
base::Result<json::Value> listed_version(Session& session, const WorkflowName& wanted) {
  std::string cursor;
  std::optional<base::Version> best;
  json::Value found;
  do {
    TRV_TRY_ASSIGN(const std::string target,
                   session.tenant_target("/workflows" + query_of({{"limit", "500"}, {"cursor", cursor}})));
    TRV_TRY_ASSIGN(const json::Value page, session.call_json(Speaker::member, {.target = target}));
    TRV_TRY_ASSIGN(const auto items, items_of(page));
    for (const json::Value& item : items) {
      if (member_text(item, "namespace") != wanted.space || member_text(item, "name") != wanted.name) continue;
      if (!wanted.version.empty() && member_text(item, "version") != wanted.version) continue;
      const auto version = base::Version::parse(member_text(item, "version"));
      if (!version || (best && !(*version > *best))) continue;
      best = version;
      found = item;
    }
    cursor = member_text(page, "next_cursor");
  } while (!cursor.empty());
  if (best) return found;
  return base::fail(base::ErrorCode::not_found,
                    fmt::format("no workflow {}/{}{}{}: `trav workflow list` shows what there is", wanted.space,
                                wanted.name, wanted.version.empty() ? "" : ":", wanted.version));
}

// Events that should have started the workflow, and did not.
void tell_filter_failures(Session& session, const json::Value& listed) {
  const json::Value* failures = listed.find("filter_failures");
  if (failures == nullptr || !failures->is_object()) return;
  session.warn(
      fmt::format("{} events did not start it, because its event filter failed; the last was event '{}' at {}: {}",
                  member_text(*failures, "count"), member_text(*failures, "event"), member_text(*failures, "time"),
                  member_text(*failures, "reason")));
}

// When it starts by itself.
void tell_schedule(Session& session, const json::Value& listed) {
  const json::Value* schedule = listed.find("schedule");
  if (schedule == nullptr || !schedule->is_object()) return;
  const std::string text = member_text(*schedule, "text");
  const std::string next = member_text(*schedule, "next");
  const std::string last = member_text(*schedule, "last");
  if (!text.empty()) {
    session.note(fmt::format("schedule: {}; {}{}", text,
                             next.empty() ? "the end of the run that goes on decides the next one" : "next run " + next,
                             last.empty() ? "" : ", last " + last));
  }
  if (const std::string missed = member_text(*schedule, "missed"); missed != "0") {
    session.warn(fmt::format("{} of its times passed without a run", missed));
  }
  if (const std::string waiting = member_text(*schedule, "waiting_events"); waiting != "0") {
    session.note(fmt::format("{} events wait until the others that 'schedule.on.all' wants are there", waiting));
  }
}

base::Result<ExitCode> show(Session& session, const WorkflowArguments& arguments) {
  TRV_TRY_ASSIGN(WorkflowName name, WorkflowName::parse(arguments.name));
  TRV_TRY_ASSIGN(const json::Value listed, listed_version(session, name));
  name.version = member_text(listed, "version");
  TRV_TRY_ASSIGN(const std::string target,
                 session.tenant_target(fmt::format("/workflows/{}/{}/{}", percent_encoded(name.space),
                                                   percent_encoded(name.name), percent_encoded(name.version))));
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::member, {.target = target}));
  tell_filter_failures(session, listed);
  tell_schedule(session, listed);
  // The text as applied, byte by byte, unless a terminal shows it.
  if (session.world().out_is_terminal) {
    session.print(response.body);
  } else {
    session.world().out << response.body << std::flush;
  }
  return ExitCode::ok;
}

}  // namespace

base::Result<WorkflowName> WorkflowName::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto colon = text.find(':', slash == std::string_view::npos ? 0 : slash);
  WorkflowName name;
  if (slash != std::string_view::npos) {
    name.space = text.substr(0, slash);
    name.name = text.substr(slash + 1, colon == std::string_view::npos ? colon : colon - slash - 1);
    if (colon != std::string_view::npos) name.version = text.substr(colon + 1);
  }
  const bool version_missing = colon != std::string_view::npos && name.version.empty();
  if (name.space.empty() || name.name.empty() || version_missing || name.name.find('/') != std::string::npos) {
    return base::fail(
        base::ErrorCode::invalid,
        fmt::format("'{}' does not name a workflow; write NAMESPACE/NAME or NAMESPACE/NAME:VERSION", text));
  }
  return name;
}

void add_workflow(CommandTree& tree) {
  Noun noun = tree.noun("workflow", "Workflows: their definitions");
  noun.example("trav workflow check triage.yaml                offline, the same errors as the server's")
      .example("trav workflow apply triage.yaml")
      .example("trav workflow show support/triage:1.2.0");
  const auto arguments = std::make_shared<WorkflowArguments>();
  noun.verb("apply", "Give a definition to the tenant; a version never changes")
      .argument("FILE", arguments->file, "YAML, or JSON in *.json; - is standard input")
      .does([arguments](Session& session) { return apply(session, *arguments); });
  noun.verb("check", "Report all that is wrong with definitions, without a server")
      .arguments("FILE", arguments->files, "YAML, or JSON in *.json; - is standard input")
      .example("trav workflow check *.yaml")
      .example("trav workflow check triage.yaml --output json    an array of the problems")
      .does([arguments](Session& session) { return check(session, *arguments); });
  noun.verb("list", "List definitions")
      .paging(arguments->limit, arguments->cursor)
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/workflows"));
        return session.print_list(Speaker::member,
                                  {.target = target, .limit = arguments->limit, .cursor = arguments->cursor},
                                  {{"NAMESPACE", "namespace"},
                                   {"NAME", "name"},
                                   {"VERSION", "version"},
                                   {"APPLIED", "applied", Fit::time},
                                   {"SCHEDULE", "schedule.text"},
                                   {"NEXT RUN", "schedule.next", Fit::time}},
                                  "No workflows yet: trav workflow apply FILE");
      });
  noun.verb("show", "Print a definition as it was applied")
      .argument("WORKFLOW", arguments->name, "NS/NAME[:VERSION]; the newest version without one")
      .does([arguments](Session& session) { return show(session, *arguments); });
  const auto cases = std::make_shared<CaseArguments>();
  noun.verb("test",
            "Play cases against workflows, without a server: what comes in, what calls answer, what is expected")
      .arguments("FILE", cases->files, "YAML, see docs/guides/workflow-cases.md")
      .option("--only", "TEXT", cases->only, "Run the cases with TEXT in their names")
      .flag("--restart", cases->restart, "Run each again with the process killed behind each of its records")
      .example("trav workflow test order-cases.yaml --restart")
      .does([cases](Session& session) { return run_cases(session, *cases); });
}

}  // namespace trv::cli
