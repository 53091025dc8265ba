// trav workflow disable, enable and delete: what operators do to a workflow as a whole.

#include <fmt/format.h>

#include <memory>

#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/operate.hpp"
#include "kernel/cli/commands/workflow_name.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::cli {
namespace {

struct WorkflowOperateArguments {
  std::string name;
  std::string reason;
  bool while_running = false;
};

/// All of its versions are meant.
base::Result<WorkflowName> whole(const std::string& text) {
  TRV_TRY_ASSIGN(WorkflowName name, WorkflowName::parse(text));
  if (name.version.empty()) return name;
  return base::fail(
      base::ErrorCode::invalid,
      fmt::format("'{}' names a version, and this is about all of them; write {}/{}", text, name.space, name.name));
}

base::Result<std::string> target_of(Session& session, const WorkflowName& name, std::string_view rest) {
  return session.tenant_target(
      fmt::format("/workflows/{}/{}{}", percent_encoded(name.space), percent_encoded(name.name), rest));
}

base::Result<ExitCode> switch_to(Session& session, const WorkflowOperateArguments& arguments, bool disables) {
  TRV_TRY_ASSIGN(const WorkflowName name, whole(arguments.name));
  TRV_TRY_ASSIGN(const std::string target, target_of(session, name, disables ? "/disable" : "/enable"));
  json::Value body = json::Value::object();
  if (!arguments.reason.empty()) body.set("reason", json::Value(arguments.reason));
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::member, {.method = "POST",
                                                                             .target = target,
                                                                             .content_type = "application/json",
                                                                             .body = json::serialize(body)}));
  if (session.as_json()) {
    session.print_json(response.body);
    return ExitCode::ok;
  }
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  const std::string_view was = member_text(answer, "changed") == "yes" ? "" : " already";
  session.print(
      disables ? fmt::format("Workflow {} is disabled{}: nothing starts it; what runs goes on.", arguments.name, was)
               : fmt::format("Workflow {} is enabled{}.", arguments.name, was));
  return ExitCode::ok;
}

base::Result<ExitCode> remove(Session& session, const WorkflowOperateArguments& arguments) {
  TRV_TRY_ASSIGN(const WorkflowName name, whole(arguments.name));
  TRV_TRY_ASSIGN(
      const std::string target,
      target_of(session, name,
                query_of({{"reason", arguments.reason}, {"while_running", arguments.while_running ? "true" : ""}})));
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::member, {.method = "DELETE", .target = target}));
  if (session.as_json()) {
    session.print_json(response.body);
    return ExitCode::ok;
  }
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  const json::Value* versions = answer.find("versions");
  const std::size_t count = versions != nullptr && versions->is_array() ? versions->size() : 0;
  const std::string running = member_text(answer, "running");
  session.print(fmt::format("Workflow {} is deleted, {} {}.{}", arguments.name, count,
                            count == 1 ? "version" : "versions",
                            running == "0" ? "" : fmt::format(" Instances that go on: {}.", running)));
  return ExitCode::ok;
}

}  // namespace

void add_workflow_operations(Noun& noun) {
  const auto arguments = std::make_shared<WorkflowOperateArguments>();
  noun.verb("disable", "Let nothing start a workflow, in any version; what runs goes on")
      .argument("WORKFLOW", arguments->name, "NS/NAME")
      .option("--reason", "TEXT", arguments->reason, "Why; the record keeps it, and who is refused reads it")
      .example("trav workflow disable support/triage --reason 'the forge is being moved'")
      .does([arguments](Session& session) { return switch_to(session, *arguments, true); });
  noun.verb("enable", "Let a disabled workflow start again; its schedule begins anew")
      .argument("WORKFLOW", arguments->name, "NS/NAME")
      .option("--reason", "TEXT", arguments->reason, "Why; the record keeps it")
      .does([arguments](Session& session) { return switch_to(session, *arguments, false); });
  noun.verb("delete", "Delete a workflow with all of its versions; its instances and their history stay")
      .argument("WORKFLOW", arguments->name, "NS/NAME")
      .flag("--while-running", arguments->while_running, "Also where instances have not ended; they go on")
      .option("--reason", "TEXT", arguments->reason, "Why; the record keeps it")
      .example("trav workflow delete support/triage --reason 'replaced by support/sort'")
      .does([arguments](Session& session) { return remove(session, *arguments); });
}

}  // namespace trv::cli
