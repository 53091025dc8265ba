// Many instances of a workflow in one request. All inputs are looked at before the first instance starts; then some
// start in each decision, so that other requests of the shard are decided between them.

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "kernel/gateway/instances.hpp"
#include "kernel/gateway/media.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/workflow/instance/decisions.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

constexpr std::size_t inputs_max = 10'000;
constexpr std::size_t batch_bytes_max = std::size_t{16} << 20;
constexpr std::size_t batch_key_bytes_max = 200;
/// Errors that an answer lists.
constexpr std::size_t errors_max = 100;
/// Of one decision. It ends behind the instance with which it has so many bytes of events.
constexpr std::size_t started_max = 50;
constexpr std::size_t decision_bytes_max = std::size_t{1} << 20;

/// A request under way.
struct Batch {
  instance::Start start;  ///< but for its input
  std::string key;
  std::vector<std::string> inputs;
  std::vector<instance::InstanceId> ids;
  std::vector<bool> existed;
  std::size_t next = 0;  ///< those before it are started
};

/// No header has a line break, so that no single start has this key.
std::string trigger_of(const Batch& batch, std::size_t index) {
  return fmt::format("{}{}\n{}", instance::start_key_trigger, batch.key, index);
}

/// Error: conflict.
base::Status check_same(const node::Shard& shard, const lmdb::Txn& state, const base::TenantId& tenant,
                        const Batch& batch, std::size_t index, const instance::Started& known) {
  const bool is_same_workflow =
      known.definition.space == batch.start.space && known.definition.name == batch.start.name;
  TRV_TRY_ASSIGN(const json::Value had,
                 instance::InstanceStore(shard.workflows()).input(state, tenant, known.instance));
  TRV_TRY_ASSIGN(const json::Value input, json::parse(batch.inputs[index]));
  if (is_same_workflow && had == input) return {};
  return fail(
      ErrorCode::conflict,
      fmt::format("Idempotency-Key '{}' belongs to another batch: line {} started the instance {} of {}/{} with "
                  "{}; give another batch another key",
                  batch.key, index + 1, known.instance.to_string(), known.definition.space, known.definition.name,
                  is_same_workflow ? "another input" : "its input"));
}

Result<shard::Decision> start_some(node::Shard& shard, const lmdb::Txn& state, shard::DecisionContext& context,
                                   Batch& batch, std::size_t first) {
  shard::Decision decision;
  std::size_t bytes = 0;
  for (batch.next = first; batch.next < batch.inputs.size(); ++batch.next) {
    if (batch.next - first == started_max || bytes >= decision_bytes_max) break;
    instance::Start start = batch.start;
    start.input = batch.inputs[batch.next];
    start.trigger = trigger_of(batch, batch.next);
    TRV_TRY_ASSIGN(instance::Started one, instance::start(state, context, shard.decision_state(), start));
    if (one.existed) TRV_TRY(check_same(shard, state, context.tenant, batch, batch.next, one));
    batch.ids[batch.next] = one.instance;
    batch.existed[batch.next] = one.existed;
    for (const record::Draft& draft : one.decision.events) bytes += draft.payload.size();
    decision.append(std::move(one.decision));
  }
  TRV_ENSURES(batch.next > first);
  return decision;
}

void start_from(Call call, std::shared_ptr<Batch> batch, std::size_t first) {
  node::Shard& shard = call.shard;
  (void)submit_then(
      std::move(call),
      [&shard, batch, first](const lmdb::Txn& state, shard::DecisionContext& context) {
        return start_some(shard, state, context, *batch, first);
      },
      [batch](Call back, const Result<Change>& change) {
        if (change && batch->next < batch->inputs.size()) return start_from(std::move(back), batch, batch->next);
        answering([batch](const Change&) {
          json::Value ids = json::Value::array();
          for (const instance::InstanceId& id : batch->ids) ids.push_back(json::Value(id.to_string()));
          const auto existed = static_cast<std::uint64_t>(std::ranges::count(batch->existed, true));
          return http::json(existed == batch->ids.size() ? 200 : 201, {{"ids", std::move(ids)}, {"existed", existed}});
        })(std::move(back), change);
      });
}

json::Value wrong(std::size_t line, std::string_view detail) {
  return {{"line", std::uint64_t{line}}, {"detail", base::to_valid_utf8(detail)}};
}

/// Every line that is an input, and what is wrong with the others.
json::Value read_inputs(std::string_view text, std::vector<std::string>& inputs, std::size_t& count) {
  json::Value errors = json::Value::array();
  const auto add = [&](std::size_t line, std::string_view detail) {
    if (++count <= errors_max) errors.push_back(wrong(line, detail));
  };
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.ends_with('\r')) one.remove_suffix(1);
    if (line > inputs_max) {
      add(line, fmt::format("a batch has at most {} lines", inputs_max));
      break;
    }
    const auto parsed = json::parse(
        one, {.bytes_max = instance::data_bytes_max, .depth_max = 256, .duplicate_keys = json::DuplicateKeys::refused});
    if (!parsed) add(line, one.empty() ? "the line is empty; each line is an input as JSON" : parsed.error().message());
    inputs.emplace_back(one);
  }
  return errors;
}

base::Status start_batch(Call& call) {
  const http::Request& request = call.request();
  if (auto refused = refuse_media(request, {"application/x-ndjson", "application/jsonl"})) {
    return call.send(*std::move(refused));
  }
  auto batch = std::make_shared<Batch>();
  batch->key = std::string(request.header("Idempotency-Key").value_or(""));
  if (batch->key.empty() || batch->key.size() > batch_key_bytes_max || !base::is_utf8(batch->key)) {
    return fail(
        ErrorCode::invalid,
        fmt::format("a batch needs an Idempotency-Key of 1 to {} bytes of UTF-8: with it the same request starts "
                    "nothing twice",
                    batch_key_bytes_max));
  }
  if (request.query("version") == "") return fail(ErrorCode::invalid, "version is empty; leave it out for the newest");
  batch->start.space = std::string(request.parameter("namespace"));
  batch->start.name = std::string(request.parameter("name"));
  batch->start.version = std::string(request.query("version").value_or(""));
  std::size_t error_count = 0;
  const json::Value errors = read_inputs(request.body(), batch->inputs, error_count);
  if (error_count > 0) {
    return call.send(http::problem_with(
        base::Error(ErrorCode::invalid,
                    fmt::format("{} of the lines cannot be inputs; nothing was started", error_count)),
        {{"errors", errors}, {"error_count", std::uint64_t{error_count}}}));
  }
  if (batch->inputs.empty()) return fail(ErrorCode::invalid, "the batch is empty; each line is an input as JSON");
  {
    TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
    TRV_TRY_ASSIGN(const auto found,
                   instance::DefinitionStore(call.shard.workflows())
                       .find_head(txn, call.tenant, batch->start.space, batch->start.name, batch->start.version));
    if (!found) {
      return fail(ErrorCode::not_found,
                  fmt::format("there is no workflow {}/{}{}{}", batch->start.space, batch->start.name,
                              batch->start.version.empty() ? "" : ":", batch->start.version));
    }
    batch->start.version = found->name.version;  // the same for all of them
  }
  batch->ids.resize(batch->inputs.size());
  batch->existed.resize(batch->inputs.size());
  start_from(std::move(call), std::move(batch), 0);
  return {};
}

}  // namespace

void add_batch_routes(http::Router& router, const node::Node& node) {
  router.route("POST", "/v1/tenants/{tenant}/workflows/{namespace}/{name}/batches",
               guarded(node, Resource::instances, start_batch, {.body = BodyRule::by_handler}),
               {.body_bytes_max = batch_bytes_max, .may_wait = true});
}

}  // namespace trv::gateway
