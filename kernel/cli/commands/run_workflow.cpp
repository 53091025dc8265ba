// trav run: starts an instance.

#include <fmt/format.h>

#include <iterator>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/timeline.hpp"
#include "kernel/cli/commands/workflow_name.hpp"
#include "kernel/cli/terminal/text.hpp"

namespace trv::cli {
namespace {

constexpr std::size_t input_bytes_max = 4'000'000;

struct RunArguments {
  std::string workflow;
  std::string input;
  std::string input_file;
  std::string idempotency_key;
  std::string key;
  bool wait = false;
};

base::Result<std::string> input_of(Session& session, const RunArguments& arguments) {
  if (!arguments.input.empty() && !arguments.input_file.empty()) {
    return base::fail(base::ErrorCode::invalid, "give --input or --input-file, not both");
  }
  std::string input = arguments.input.empty() ? "{}" : arguments.input;
  std::string what = "--input";
  if (arguments.input_file == "-") {
    what = "standard input";
    input.assign(std::istreambuf_iterator<char>(session.world().in), {});
  } else if (!arguments.input_file.empty()) {
    what = arguments.input_file;
    TRV_TRY_ASSIGN(input, read_file(arguments.input_file, input_bytes_max));
  }
  TRV_TRY(parse_json(what, input));
  return input;
}

base::Result<ExitCode> start(Session& session, const RunArguments& arguments) {
  TRV_TRY_ASSIGN(const WorkflowName name, WorkflowName::parse(arguments.workflow));
  TRV_TRY_ASSIGN(std::string input, input_of(session, arguments));
  TRV_TRY_ASSIGN(const std::string target,
                 session.tenant_target(fmt::format("/workflows/{}/{}/instances", percent_encoded(name.space),
                                                   percent_encoded(name.name)) +
                                       query_of({{"version", name.version}, {"key", arguments.key}})));
  HttpRequest request{.method = "POST", .target = target, .content_type = "application/json", .body = std::move(input)};
  if (!arguments.idempotency_key.empty()) request.headers.push_back("Idempotency-Key: " + arguments.idempotency_key);
  TRV_TRY_ASSIGN(const HttpResponse response, session.call(Speaker::member, request));
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  const std::string id = member_text(answer, "id");
  if (id.empty()) return base::fail(base::ErrorCode::internal, "the server did not name the instance that it started");
  if (session.as_json()) {
    session.print_json(response.body);
  } else {
    session.print(arguments.wait ? "instance " + id : id);
  }
  if (!arguments.wait) return ExitCode::ok;
  return Timeline(session, id).follow();
}

}  // namespace

void add_run(CommandTree& tree) {
  const auto arguments = std::make_shared<RunArguments>();
  tree.verb("run", "Start a workflow; prints the instance's id")
      .argument("WORKFLOW", arguments->workflow, "NS/NAME[:VERSION]; the newest version without one")
      .option("--input", "JSON", arguments->input, "The input (default {})")
      .option("--input-file", "FILE", arguments->input_file, "The input from a file; - is standard input")
      .option("--idempotency-key", "KEY", arguments->idempotency_key, "The same key starts one instance only")
      .option("--key", "KEY", arguments->key, "What the instance is found by: trav instance list --key")
      .flag("--wait", arguments->wait, "Show the steps as they happen; exits 0 completed, 3 faulted")
      .example("trav run support/triage --input '{\"ticket\": 7}' --wait")
      .example("id=$(trav run support/triage:1.2.0 --input-file ticket.json)")
      .does([arguments](Session& session) { return start(session, *arguments); });
}

}  // namespace trv::cli
