// trav workflow: definitions.

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <vector>

#include "kernel/cli/commands/cases.hpp"
#include "kernel/cli/commands/language_server.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/operate.hpp"
#include "kernel/cli/commands/operation_check.hpp"
#include "kernel/cli/commands/operations.hpp"
#include "kernel/cli/commands/problem_report.hpp"
#include "kernel/cli/commands/workflow_name.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/workflow/definition/check.hpp"
#include "kernel/workflow/definition/editor_schema.hpp"
#include "kernel/workflow/definition/outline.hpp"
#include "sdk/base/version.hpp"

namespace trv::cli {
namespace {

struct WorkflowArguments {
  std::string packages;
  std::string file;
  std::string format;
  std::vector<std::string> files;
  std::string name;
  std::string limit;
  std::string cursor;
  bool watch = false;
};

/// The operations that calls are held against: of a folder of packages, or else of the server for which there is a
/// token. They are asked for when the first definition calls one.
class CheckedOperations {
 public:
  CheckedOperations(Session& session, std::string packages) : session_(session), packages_(std::move(packages)) {}

  /// Null: they are not known.
  const Operations* known() {
    if (asked_) return known_ ? &*known_ : nullptr;
    asked_ = true;
    if (packages_.empty() && !session_.client(Speaker::member)) return nullptr;
    base::Result<Operations> found =
        packages_.empty() ? operations_of(session_) : operations_in(packages_, unreadable_);
    for (const std::string& one : unreadable_) session_.complain(one);
    if (found) {
      known_ = *std::move(found);
      return &*known_;
    }
    why_not_ = found.error().message();
    return nullptr;
  }
  [[nodiscard]] std::string owner() const {
    return packages_.empty() ? "the plugins that the tenant has enabled" : "the packages in " + packages_;
  }
  /// A folder that was named must be one.
  [[nodiscard]] base::Status status() const {
    if (packages_.empty() || why_not_.empty()) return {};
    return base::fail(base::ErrorCode::not_found, why_not_);
  }
  /// Packages that were left out.
  [[nodiscard]] bool lacks_packages() const { return !unreadable_.empty(); }
  /// Said once for all files.
  void tell_unknown() {
    session_.note(why_not_.empty() ? "calls of operations were not held against the plugins; name a folder of packages "
                                     "with --packages FOLDER, or give a token of the tenant"
                                   : "calls of operations were not held against the plugins: " + why_not_);
  }

 private:
  Session& session_;
  std::string packages_;
  std::optional<Operations> known_;
  std::vector<std::string> unreadable_;
  std::string why_not_;
  bool asked_ = false;
};

base::Result<ExitCode> check_once(Session& session, const WorkflowArguments& arguments) {
  ProblemReport report(session);
  CheckedOperations operations(session, arguments.packages);
  bool is_unknown = false;
  for (const std::string& file : arguments.files) {
    const base::Result<DefinitionText> read = read_definition(session, file);
    if (!read) {
      report.add_unreadable(file, read.error());
      continue;
    }
    const definition::Findings findings =
        definition::check_and_compile(read->text, read->format,
                                      [&](const definition::Definition& definition, const definition::Node& root,
                                          definition::Problems& problems) {
                                        if (!calls_operations(definition)) return;
                                        const Operations* known = operations.known();
                                        is_unknown = is_unknown || known == nullptr;
                                        if (known == nullptr) return;
                                        check_operations(*known, operations.owner(), definition, root, problems);
                                      })
            .findings;
    TRV_TRY(operations.status());
    report.add(*read, findings);
    if (findings.errors == 0 && !session.as_json()) {
      const definition::Name& name = findings.name;
      session.print(fmt::format("{} is valid: {}/{}:{}", read->name, name.space, name.name, name.version));
    }
  }
  const ExitCode code = report.finish();
  if (is_unknown) operations.tell_unknown();
  return code == ExitCode::ok && operations.lacks_packages() ? ExitCode::refused : code;
}

// Checks again whenever a file changes, until the user ends it.
base::Result<ExitCode> check_and_watch(Session& session, const WorkflowArguments& arguments) {
  const std::vector<std::string>& files = arguments.files;
  World& world = session.world();
  if (!world.watch) return base::fail(base::ErrorCode::invalid, "--watch cannot be used here");
  if (std::ranges::find(files, "-") != files.end()) {
    return base::fail(base::ErrorCode::invalid, "--watch needs files; standard input comes once");
  }
  // Begun before the first check, so that no change comes between.
  TRV_TRY_ASSIGN(const std::function<WatchEnd()> wait, world.watch(files));
  do {
    if (world.out_is_terminal) world.out << "\x1b[H\x1b[2J\x1b[3J";
    TRV_TRY(check_once(session, arguments));
    world.out << std::flush;
    if (session.out_is_gone()) break;
    if (world.out_is_terminal) {
      session.note(fmt::format("{} watched; Ctrl-C ends", files.size() == 1 ? "the file is" : "the files are"));
    }
  } while (wait() == WatchEnd::changed);
  return ExitCode::ok;
}

base::Result<ExitCode> check(Session& session, const WorkflowArguments& arguments) {
  if (arguments.files.empty()) {
    return base::fail(base::ErrorCode::invalid, "which definition? Name a FILE, or - for standard input");
  }
  return arguments.watch ? check_and_watch(session, arguments) : check_once(session, arguments);
}

// All that the server found wrong with a text, as check() shows it; false where it names no problems.
bool report_problems(Session& session, const DefinitionText& read, const json::Value& answer) {
  definition::Findings findings;
  const auto take = [&](std::string_view list, std::string_view counter, bool warnings, std::size_t& total) {
    const json::Value* listed = answer.find(list);
    if (listed == nullptr) return;
    for (definition::Problem& problem : problems_of(*listed)) {
      problem.is_warning = warnings;
      findings.problems.push_back(std::move(problem));
      ++total;
    }
    const json::Value* count = answer.find(counter);
    if (count != nullptr && count->is_int() && count->as_int() > 0) {
      total = std::max(total, static_cast<std::size_t>(count->as_int()));
    }
  };
  take("errors", "error_count", false, findings.errors);
  take("warnings", "warning_count", true, findings.warnings);
  if (findings.problems.empty()) return false;
  std::ranges::stable_sort(findings.problems, [](const definition::Problem& one, const definition::Problem& other) {
    return std::tie(one.position.line, one.position.column) < std::tie(other.position.line, other.position.column);
  });
  const bool refused = findings.errors > 0;
  if (session.as_json() && !refused) return true;  // they are in the answer that is printed
  ProblemReport report(session, Stream::err);
  report.add(read, findings);
  report.finish();
  return true;
}

base::Result<ExitCode> apply(Session& session, const WorkflowArguments& arguments) {
  TRV_TRY_ASSIGN(const DefinitionText read, read_definition(session, arguments.file));
  TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/workflows"));
  const bool is_json = read.format == definition::Format::json;
  TRV_TRY_ASSIGN(const HttpResponse response,
                 session.send(Speaker::member, {.method = "POST",
                                                .target = target,
                                                .content_type = is_json ? "application/json" : "application/yaml",
                                                .body = read.text}));
  if (response.status < 200 || response.status > 299) {
    const auto problem = parse_json("the answer", response.body);
    if (problem && report_problems(session, read, *problem)) return ExitCode::refused;
    return base::fail(Session::refusal_of(response));
  }
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  report_problems(session, read, answer);
  if (session.as_json()) {
    session.print_json(response.body);
    return ExitCode::ok;
  }
  const std::string name = fmt::format("{}/{}:{}", member_text(answer, "namespace"), member_text(answer, "name"),
                                       member_text(answer, "version"));
  session.print(response.status == 201 ? "Applied " + name : "Unchanged " + name);
  if (const json::Value* fetched = answer.find("fetched"); fetched != nullptr && fetched->is_array()) {
    for (const json::Value& function : fetched->items()) {
      session.note(fmt::format("the function {} was fetched from {} and is recorded with the definition",
                               member_text(function, "name"), member_text(function, "address")));
    }
  }
  if (member_text(answer, "disabled") == "yes") {
    session.warn(fmt::format("the workflow is disabled, and so nothing starts it: trav workflow enable {}/{}",
                             member_text(answer, "namespace"), member_text(answer, "name")));
  }
  return ExitCode::ok;
}

// The flow of a definition without errors, drawn.
base::Result<ExitCode> graph(Session& session, const WorkflowArguments& arguments) {
  TRV_TRY_ASSIGN(const DefinitionText read, read_definition(session, arguments.file));
  const definition::Findings findings = definition::check(read.text, read.format);
  if (findings.errors > 0) {
    ProblemReport report(session, Stream::err);
    report.add(read, findings);
    return report.finish();
  }
  TRV_TRY_ASSIGN(const definition::Node root, definition::read(read.text, read.format));
  const definition::Lane lane = definition::outline(root);
  session.print(arguments.format == "svg" ? definition::svg_of(lane) : definition::mermaid_of(lane));
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
    const bool is_disabled = listed.find("disabled") != nullptr;
    session.note(fmt::format("schedule: {}; {}{}", text,
                             is_disabled    ? "no next run while the workflow is disabled"
                             : next.empty() ? "the end of the run that goes on decides the next one"
                                            : "next run " + next,
                             last.empty() ? "" : ", last " + last));
  }
  if (const std::string missed = member_text(*schedule, "missed"); missed != "0") {
    session.warn(fmt::format("{} of its times passed without a run", missed));
  }
  if (const std::string waiting = member_text(*schedule, "waiting_events"); waiting != "0") {
    session.note(fmt::format(
        "{} events are gathered for the next run, which 'schedule.on' lets begin once it has all it waits for",
        waiting));
  }
}

// That nothing starts it.
void tell_disabled(Session& session, const json::Value& listed) {
  const json::Value* disabled = listed.find("disabled");
  if (disabled == nullptr || !disabled->is_object()) return;
  session.warn(fmt::format("disabled since {} by {}: {}; nothing starts it", member_text(*disabled, "since"),
                           member_text(*disabled, "actor"), member_text(*disabled, "reason")));
}

base::Result<ExitCode> show(Session& session, const WorkflowArguments& arguments) {
  TRV_TRY_ASSIGN(WorkflowName name, WorkflowName::parse(arguments.name));
  TRV_TRY_ASSIGN(const json::Value listed, listed_version(session, name));
  name.version = member_text(listed, "version");
  TRV_TRY_ASSIGN(const std::string target,
                 session.tenant_target(fmt::format("/workflows/{}/{}/{}", percent_encoded(name.space),
                                                   percent_encoded(name.name), percent_encoded(name.version))));
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::member, {.target = target}));
  tell_disabled(session, listed);
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

/// Whom an editor asks for operations: a folder of packages, or the server for which there is a token; else nobody.
LanguageServer::OperationSource source_of(Session& session, const std::string& packages) {
  if (!packages.empty())
    return [packages] {
      std::vector<std::string> unreadable;  // an editor goes on with the others
      return operations_in(packages, unreadable);
    };
  if (!session.client(Speaker::member)) return {};
  return [&session] { return operations_of(session); };
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
      .option("--packages", "FOLDER", arguments->packages,
              "Hold calls against the operations of the plugins' packages there (default: those that the tenant has "
              "enabled, where there is a token)")
      .flag("--watch", arguments->watch, "Check again whenever a file changes, until Ctrl-C; exits 0 then")
      .example("trav workflow check *.yaml")
      .example("trav workflow check --watch triage.yaml")
      .example("trav workflow check triage.yaml --packages /usr/share/travertine/packages")
      .example("trav workflow check triage.yaml --output json    an array of the problems")
      .does([arguments](Session& session) { return check(session, *arguments); });
  noun.verb("graph", "Draw the flow of a definition, without a server")
      .argument("FILE", arguments->file, "YAML, or JSON in *.json; - is standard input")
      .choice("--format", {"mermaid", "svg"}, arguments->format, "What to write; mermaid unless said otherwise")
      .example("trav workflow graph triage.yaml --format svg > triage.svg")
      .does([arguments](Session& session) { return graph(session, *arguments); });
  noun.verb("lsp",
            "Serve editors: problems, completion, help and places of definitions, over standard input and output")
      .option("--packages", "FOLDER", arguments->packages,
              "Operations of the plugins' packages there (default: those that the tenant has enabled on the server)")
      .example("trav workflow lsp --packages /usr/share/travertine/packages")
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        LanguageServer server(session.world().in, session.world().out, source_of(session, arguments->packages));
        return server.run() ? ExitCode::ok : ExitCode::refused;
      });
  noun.verb("schema", "Print the shape of definitions as a JSON Schema, for editors")
      .example("trav workflow schema > travertine-workflow.schema.json")
      .does([](Session& session) -> base::Result<ExitCode> {
        session.print_value(definition::editor_schema());
        return ExitCode::ok;
      });
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
                                   {"NEXT RUN", "schedule.next", Fit::time},
                                   {"DISABLED", "disabled.since", Fit::time}},
                                  "No workflows yet: trav workflow apply FILE");
      });
  noun.verb("show", "Print a definition as it was applied")
      .argument("WORKFLOW", arguments->name, "NS/NAME[:VERSION]; the newest version without one")
      .does([arguments](Session& session) { return show(session, *arguments); });
  add_workflow_operations(noun);
  const auto cases = std::make_shared<CaseArguments>();
  noun.verb("test",
            "Play cases against workflows, without a server: what comes in, what calls answer, what is expected")
      .arguments("FILE", cases->files, "YAML, see docs/guides/workflow-cases.md")
      .option("--only", "TEXT", cases->only, "Run the cases with TEXT in their names")
      .flag("--restart", cases->restart, "Run each again with the process killed behind each of its records")
      .option("--junit", "FILE", cases->junit, "Write the results to FILE as JUnit's XML, too")
      .example("trav workflow test order-cases.yaml --restart")
      .example("trav workflow test cases/*.yaml --junit results.xml")
      .does([cases](Session& session) { return run_cases(session, *cases); });
}

}  // namespace trv::cli
