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
constexpr std::size_t batch_bytes_max = std::size_t{16} << 20;

struct RunArguments {
  std::string workflow;
  std::string input;
  std::string input_file;
  std::string idempotency_key;
  std::string key;
  std::string batch;
  bool starts = false;
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

/// Prints the ids in the order of the lines.
base::Result<ExitCode> start_batch(Session& session, const RunArguments& arguments) {
  if (!arguments.input.empty() || !arguments.input_file.empty() || !arguments.key.empty() || arguments.wait) {
    return base::fail(base::ErrorCode::invalid, "--batch goes without --input, --input-file, --key and --wait");
  }
  if (arguments.idempotency_key.empty() && !arguments.starts) {
    return base::fail(base::ErrorCode::invalid,
                      "--batch needs --idempotency-key: given again with it after an error, it starts nothing twice; "
                      "with --starts each line may have its own");
  }
  TRV_TRY_ASSIGN(const WorkflowName name, WorkflowName::parse(arguments.workflow));
  std::string lines;
  if (arguments.batch == "-") {
    lines.assign(std::istreambuf_iterator<char>(session.world().in), {});
  } else {
    TRV_TRY_ASSIGN(lines, read_file(arguments.batch, batch_bytes_max));
  }
  TRV_TRY_ASSIGN(const std::string target,
                 session.tenant_target(
                     fmt::format("/workflows/{}/{}/batches", percent_encoded(name.space), percent_encoded(name.name)) +
                     query_of({{"version", name.version}, {"lines", arguments.starts ? "starts" : ""}})));
  HttpRequest request{
      .method = "POST", .target = target, .content_type = "application/x-ndjson", .body = std::move(lines)};
  if (!arguments.idempotency_key.empty()) request.headers.push_back("Idempotency-Key: " + arguments.idempotency_key);
  TRV_TRY_ASSIGN(const HttpResponse response, session.send(Speaker::member, request));
  TRV_TRY_ASSIGN(const json::Value answer, parse_json("the answer", response.body));
  if (response.status < 200 || response.status > 299) {
    const json::Value* errors = answer.find("errors");
    if (errors != nullptr && errors->is_array()) {
      for (const json::Value& one : errors->items()) {
        session.complain(
            fmt::format("{}:{}: {}", arguments.batch, member_text(one, "line"), member_text(one, "detail")));
      }
    }
    return base::fail(Session::refusal_of(response));
  }
  if (session.as_json()) {
    session.print_json(response.body);
    return ExitCode::ok;
  }
  const json::Value* ids = answer.find("ids");
  if (ids == nullptr || !ids->is_array())
    return base::fail(base::ErrorCode::internal, "the server's answer has no ids");
  for (const json::Value& id : ids->items()) session.print(member_text(id, ""));
  if (const std::string existed = member_text(answer, "existed"); existed != "0") {
    session.note(fmt::format("{} of {} were started before, with this key", existed, ids->items().size()));
  }
  return ExitCode::ok;
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
      .option("--idempotency-key", "KEY", arguments->idempotency_key,
              "The same key starts one instance only; --batch needs one, unless --starts gives each line its own")
      .option("--key", "KEY", arguments->key, "What the instance is found by: trav instance list --key")
      .flag("--wait", arguments->wait, "Show the steps as they happen; exits 0 completed, 3 faulted")
      .example("trav run support/triage --input '{\"ticket\": 7}' --wait")
      .example("id=$(trav run support/triage:1.2.0 --input-file ticket.json)")
      .option("--batch", "FILE", arguments->batch,
              "Start one instance for each line, whose input it is; up to 10,000; - is standard input")
      .flag("--starts", arguments->starts, "With --batch: each line is an object with input, key and idempotency_key")
      .example("trav run sales/order --batch orders.ndjson --idempotency-key orders-of-monday")
      .does([arguments](Session& session) -> base::Result<ExitCode> {
        if (arguments->batch.empty() && arguments->starts) {
          return base::fail(base::ErrorCode::invalid, "--starts goes with --batch");
        }
        return arguments->batch.empty() ? start(session, *arguments) : start_batch(session, *arguments);
      });
}

}  // namespace trv::cli
