// Many instances of a workflow in one request. All lines are looked at, and held against the workflow's schema, before
// the first instance starts; then some start in each decision, so that other requests of the shard are decided between
// them.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "kernel/gateway/body.hpp"
#include "kernel/gateway/instance_search.hpp"
#include "kernel/gateway/instances.hpp"
#include "kernel/gateway/media.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/decisions.hpp"
#include "kernel/workflow/instance/input_gate.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

constexpr std::size_t lines_max = 10'000;
constexpr std::size_t batch_bytes_max = std::size_t{16} << 20;
constexpr std::size_t batch_key_bytes_max = 200;
/// Errors that an answer lists.
constexpr std::size_t errors_max = 100;
/// Of one decision. It ends behind the instance with which it has so many bytes of events.
constexpr std::size_t started_max = 50;
constexpr std::size_t decision_bytes_max = std::size_t{1} << 20;

/// A line of the request.
struct Line {
  std::string input;            ///< JSON
  std::string key;              ///< see instance::Names; empty: none
  std::string idempotency_key;  ///< empty: that of the batch, with the line's number
};

/// A request under way.
struct Batch {
  instance::Start start;  ///< but for what the lines say
  std::string key;        ///< empty where each line has one
  std::vector<Line> lines;
  std::vector<instance::InstanceId> ids;
  std::vector<bool> existed;
  std::size_t next = 0;  ///< those before it are started
};

/// No header has a line break, so that no single start has the key of a batch.
std::string trigger_of(const Batch& batch, std::size_t index) {
  const std::string& own = batch.lines[index].idempotency_key;
  if (!own.empty()) return fmt::format("{}{}", instance::start_key_trigger, own);
  return fmt::format("{}{}\n{}", instance::start_key_trigger, batch.key, index);
}

/// Error: conflict.
base::Status check_same(const node::Shard& shard, const lmdb::Txn& state, const base::TenantId& tenant,
                        const Batch& batch, std::size_t index, const instance::Started& known) {
  const Line& line = batch.lines[index];
  TRV_TRY_ASSIGN(const json::Value had,
                 instance::InstanceStore(shard.workflows()).input(state, tenant, known.instance));
  TRV_TRY_ASSIGN(const json::Value input, json::parse(line.input));
  std::string_view other;
  if (known.definition.space != batch.start.space || known.definition.name != batch.start.name) {
    other = "its input";
  } else if (had != input) {
    other = "another input";
  } else if (known.key != line.key) {
    other = "another key";
  } else {
    return {};
  }
  const bool is_of_line = !line.idempotency_key.empty();
  return fail(
      ErrorCode::conflict,
      fmt::format("{} '{}' belongs to another {}: line {} started the instance {} of {}/{} with {}; give another "
                  "{} another key",
                  is_of_line ? "idempotency_key" : "Idempotency-Key", is_of_line ? line.idempotency_key : batch.key,
                  is_of_line ? "start" : "batch", index + 1, known.instance.to_string(), known.definition.space,
                  known.definition.name, other, is_of_line ? "start" : "batch"));
}

Result<shard::Decision> start_some(node::Shard& shard, const lmdb::Txn& state, shard::DecisionContext& context,
                                   Batch& batch, std::size_t first) {
  shard::Decision decision;
  std::size_t bytes = 0;
  for (batch.next = first; batch.next < batch.lines.size(); ++batch.next) {
    if (batch.next - first == started_max || bytes >= decision_bytes_max) break;
    instance::Start start = batch.start;
    start.input = batch.lines[batch.next].input;
    start.key = batch.lines[batch.next].key;
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
        if (change && batch->next < batch->lines.size()) return start_from(std::move(back), batch, batch->next);
        answering([batch](const Change&) {
          json::Value ids = json::Value::array();
          for (const instance::InstanceId& id : batch->ids) ids.push_back(json::Value(id.to_string()));
          const auto existed = static_cast<std::uint64_t>(std::ranges::count(batch->existed, true));
          return http::json(existed == batch->ids.size() ? 200 : 201, {{"ids", std::move(ids)}, {"existed", existed}});
        })(std::move(back), change);
      });
}

/// What is wrong with lines: all are counted, the first are named.
struct Errors {
  json::Value named = json::Value::array();
  std::size_t count = 0;

  void add(std::size_t line, std::string_view detail) {
    if (++count > errors_max) return;
    named.push_back({{"line", std::uint64_t{line}}, {"detail", base::to_valid_utf8(detail)}});
  }
};

/// What each line is.
enum class Lines { inputs, starts };

base::Result<json::Value> parse_line(std::string_view text) {
  if (text.empty()) return fail(ErrorCode::invalid, "the line is empty");
  return json::parse(
      text, {.bytes_max = instance::data_bytes_max, .depth_max = 256, .duplicate_keys = json::DuplicateKeys::refused});
}

/// {"input": …, "key": "…", "idempotency_key": "…"}; `value` becomes the input.
base::Result<Line> start_in(std::string_view text, json::Value& value) {
  TRV_TRY_ASSIGN(const Body body, Body::parse(text, {"input", "key", "idempotency_key"}));
  Line line;
  TRV_TRY_ASSIGN(auto key, body.optional_text("key"));
  if (key) TRV_TRY(check_key("key", *key));
  TRV_TRY_ASSIGN(auto own, body.optional_text("idempotency_key"));
  if (own) TRV_TRY(check_key("idempotency_key", *own));
  line.key = std::move(key).value_or("");
  line.idempotency_key = std::move(own).value_or("");
  value = body.optional_value("input").value_or(json::Value::object());
  line.input = json::serialize(value);
  return line;
}

/// Every line that can start an instance, and what is wrong with the others.
Errors read_lines(std::string_view text, Lines kind, instance::InputGate& gate, Batch& batch) {
  Errors errors;
  std::map<std::string, std::size_t> keys;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.ends_with('\r')) one.remove_suffix(1);
    if (number > lines_max) {
      errors.add(number, fmt::format("a batch has at most {} lines", lines_max));
      break;
    }
    auto value = parse_line(one);
    if (!value) {
      errors.add(number, one.empty() ? kind == Lines::inputs ? "the line is empty; each line is an input as JSON"
                                                             : "the line is empty; each line is an object with input"
                                     : value.error().message());
      continue;
    }
    base::Result<Line> line = Line{std::string(one), {}, {}};
    if (kind == Lines::starts) line = start_in(one, *value);
    if (!line) {
      errors.add(number, line.error().message());
      continue;
    }
    if (line->idempotency_key.empty() && batch.key.empty()) {
      errors.add(number, "it has no idempotency_key, and the request has no Idempotency-Key");
    } else if (!line->idempotency_key.empty()) {
      const auto [known, is_new] = keys.emplace(line->idempotency_key, number);
      if (!is_new) errors.add(number, fmt::format("it has the idempotency_key of line {}", known->second));
    }
    if (const std::string wrong = gate.problems_of(*value); !wrong.empty()) errors.add(number, wrong);
    batch.lines.push_back(*std::move(line));
  }
  return errors;
}

/// The definition, which is the same for all lines.
base::Result<instance::DefinitionPointer> definition_of(Call& call, const instance::Start& start) {
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  const instance::DefinitionStore store(call.shard.workflows());
  TRV_TRY_ASSIGN(const auto found, store.find(txn, call.tenant, start.space, start.name, start.version));
  if (!found) {
    return fail(ErrorCode::not_found, fmt::format("there is no workflow {}/{}{}{}", start.space, start.name,
                                                  start.version.empty() ? "" : ":", start.version));
  }
  return call.shard.decision_state().cache.get(call.tenant, found->sha256,
                                               [&] { return definition::compile(found->text, found->format); });
}

base::Status start_batch(Call& call) {
  const http::Request& request = call.request();
  if (auto refused = refuse_media(request, {"application/x-ndjson", "application/jsonl"})) {
    return call.send(*std::move(refused));
  }
  const std::string_view kind = request.query("lines").value_or("inputs");
  if (kind != "inputs" && kind != "starts") {
    return fail(ErrorCode::invalid,
                fmt::format("lines is '{}'; it must be inputs, or starts where each line is an object with input, key "
                            "and idempotency_key",
                            base::utf8_prefix(kind, 40)));
  }
  auto batch = std::make_shared<Batch>();
  batch->key = std::string(request.header("Idempotency-Key").value_or(""));
  const bool needs_key = kind == "inputs" || request.header("Idempotency-Key");
  if (needs_key && (batch->key.empty() || batch->key.size() > batch_key_bytes_max || !base::is_utf8(batch->key))) {
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
  TRV_TRY_ASSIGN(const instance::DefinitionPointer definition, definition_of(call, batch->start));
  batch->start.version = definition->name.version;
  instance::InputGate gate(*definition);
  const Errors errors = read_lines(request.body(), kind == "inputs" ? Lines::inputs : Lines::starts, gate, *batch);
  if (errors.count > 0) {
    return call.send(http::problem_with(
        base::Error(ErrorCode::invalid,
                    fmt::format("{} of the lines cannot be inputs; nothing was started", errors.count)),
        {{"errors", errors.named}, {"error_count", std::uint64_t{errors.count}}}));
  }
  if (batch->lines.empty()) return fail(ErrorCode::invalid, "the batch is empty; each line is an input as JSON");
  batch->ids.resize(batch->lines.size());
  batch->existed.resize(batch->lines.size());
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
