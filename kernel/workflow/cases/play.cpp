#include "kernel/workflow/cases/play.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "events/record/payload.hpp"
#include "events/schema/ingest_generated.h"
#include "kernel/gateway/cloud_event.hpp"
#include "kernel/gateway/receive.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/actions.hpp"
#include "kernel/workflow/instance/events.hpp"
#include "kernel/workflow/instance/schedule_rows.hpp"
#include "sdk/base/contract.hpp"

namespace trv::cases {
namespace {

using base::ErrorCode;
using json::Value;

/// Of one case: a flow that never ends would else be played for ever.
constexpr int happenings_max = 50'000;
constexpr std::string_view start_trigger = "key:case";

class Player {
 public:
  Player(const Case& one, LocalShard& shard, Services& services, base::Timestamp begins,
         const std::function<base::Status()>& decided)
      : case_(one), shard_(shard), services_(services), now_(begins), decided_(decided) {}

  base::Result<Played> run() {
    for (const Workflow& workflow : case_.workflows) {
      if (workflow.refusals.empty()) continue;
      played_.found = {{"refused", fmt::format("{}", fmt::join(workflow.refusals, "\n"))}};
      return std::move(played_);
    }
    for (const Workflow& workflow : case_.workflows) {
      TRV_TRY_ASSIGN(const auto command, instance::ApplyDefinition::compile(workflow.text, workflow.format));
      TRV_TRY(decide([&](const lmdb::Txn& txn, shard::DecisionContext& context) -> base::Result<shard::Decision> {
        TRV_TRY_ASSIGN(auto applied, instance::apply_definition(txn, context, shard_.workflows(), command));
        return std::move(applied.decision);
      }));
    }
    for (int happenings = 0;; ++happenings) {
      if (happenings == happenings_max) {
        played_.faults.push_back(
            fmt::format("after {} steps it goes on still; say with 'until' where it is looked at", happenings));
        break;
      }
      TRV_TRY_ASSIGN(const bool happened, happen());
      if (!happened) break;
    }
    TRV_TRY(look());
    return std::move(played_);
  }

 private:
  using Kind = Input::Kind;

  base::Status decide(const LocalShard::Decide& decide) {
    TRV_TRY_ASSIGN(const bool changed, shard_.decide(now_, decide));
    if (changed && decided_) TRV_TRY(decided_());
    return {};
  }

  /// What comes next, and when; of what comes at the same time, inputs before answers before timers before calls whose
  /// time is over. False: nothing is left.
  base::Result<bool> happen() {
    struct Next {
      base::Timestamp at{std::numeric_limits<std::int64_t>::max()};
      int order = 9;
      [[nodiscard]] bool comes_before(base::Timestamp other_at, int other_order) const {
        return at < other_at || (at == other_at && order <= other_order);
      }
    } next;
    const auto offer = [&](base::Timestamp at, int order) {
      at = std::max(at, now_);
      if (next.comes_before(at, order)) return false;
      next = {at, order};
      return true;
    };
    if (sent_ < case_.inputs.size()) offer(case_.begins + case_.inputs[sent_].at, 0);
    shard::Effect effect;
    const Services::Given* given = nullptr;
    std::vector<shard::Timer> due;
    {
      TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, shard_.read());
      const base::TenantId tenant{std::string(case_tenant)};
      TRV_TRY_ASSIGN(auto pending, shard_.outbox().pending(txn, tenant, record::Lsn(0), 10'000));
      for (shard::Effect& one : pending) {
        if (one.kind == "event") {
          if (offer(now_, 1)) effect = std::move(one), given = nullptr;
          continue;
        }
        const auto answer = services_.answer(one);
        if (!answer) {
          played_.faults.push_back(answer.error().message());
          return false;
        }
        if (offer((*answer)->ready, (*answer)->timed_out ? 3 : 1)) effect = std::move(one), given = *answer;
      }
      TRV_TRY_ASSIGN(due, shard_.timers().due(txn, base::Timestamp(std::numeric_limits<std::int64_t>::max()), 64));
      // A schedule never ends: it plays along where the case says until when.
      if (!case_.until) {
        std::erase_if(due, [](const shard::Timer& one) { return instance::workflow_of_timer(one.owner).has_value(); });
      }
    }
    if (!due.empty()) offer(due.front().due, 2);
    if (next.order == 9 || (case_.until && next.at > case_.begins + *case_.until)) return false;
    now_ = next.at;
    if (next.order == 0) {
      TRV_TRY(send(case_.inputs[sent_++]));
    } else if (next.order == 2) {
      shard::Command command = instance::timer_command(shard_.workflows(), due.front());
      TRV_TRY(
          decide([&](const lmdb::Txn& txn, shard::DecisionContext& context) { return command.decide(txn, context); }));
    } else if (given == nullptr) {
      TRV_TRY(publish(effect));
    } else {
      TRV_TRY(settle(effect.key, given->outcome));
    }
    return true;
  }

  base::Status settle(std::string_view key, const shard::Outcome& outcome) {
    return decide([&](const lmdb::Txn& txn, shard::DecisionContext& context) -> base::Result<shard::Decision> {
      TRV_TRY_ASSIGN(auto settled, instance::outcome(txn, context, shard_.workflows(), key, outcome));
      return std::move(settled.decision);
    });
  }

  base::Status send(const Input& input) {
    base::Status sent;
    if (input.kind == Kind::start) {
      sent = start(input);
    } else if (input.kind == Kind::cancel) {
      sent = cancel(input.compensates);
    } else {
      sent = receive(input.value, nullptr);
    }
    // A refusal is the client's; it is what the case is about where nothing began.
    if (!sent && refusal_.empty()) refusal_ = sent.error().message();
    return {};
  }

  base::Status start(const Input& input) {
    const definition::Name& name = case_.workflows.front().name;
    return decide([&](const lmdb::Txn& txn, shard::DecisionContext& context) -> base::Result<shard::Decision> {
      TRV_TRY_ASSIGN(auto started,
                     instance::start(txn, context, shard_.workflows(),
                                     {.space = name.space,
                                      .name = name.name,
                                      .version = name.version,
                                      .input = input.has_value ? json::serialize(input.value) : std::string(),
                                      .trigger = std::string(start_trigger)}));
      return std::move(started.decision);
    });
  }

  base::Status cancel(bool compensates) {
    TRV_TRY_ASSIGN(const auto instances, started());
    if (instances.empty()) return base::fail(ErrorCode::not_found, "there is no instance to cancel");
    return decide([&](const lmdb::Txn& txn, shard::DecisionContext& context) -> base::Result<shard::Decision> {
      const auto operation = compensates ? &instance::cancel_and_compensate : &instance::cancel;
      TRV_TRY_ASSIGN(instance::Acted acted,
                     operation(txn, context, shard_.workflows(), instances.front(), "the case says so"));
      return std::move(acted.decision);
    });
  }

  /// As the daemon does for an event of a client; and for one of a workflow, which goes on in the same decision where
  /// nobody listened.
  base::Status receive(const Value& attributes, const shard::Effect* emitter) {
    Value event = attributes;
    if (event.find("specversion") == nullptr) event.set("specversion", Value("1.0"));
    TRV_TRY_ASSIGN(ingest::Received received, gateway::read_cloud_event(event, {}));
    shard::Outcome outcome;
    outcome.ok = true;
    if (emitter != nullptr) {
      received.channel = std::string(gateway::workflow_channel) + emitter->owner;
      outcome.output = json::serialize(attributes);
    }
    return decide([&](const lmdb::Txn& txn, shard::DecisionContext& context) {
      if (emitter != nullptr) {
        return gateway::receive_emitted(shard_.ingest(), shard_.workflows(), txn, context, received, emitter->key,
                                        outcome);
      }
      gateway::Receipt receipt;
      instance::DecisionBudget budget;
      return gateway::receive(shard_.ingest(), shard_.workflows(), txn, context, received, receipt, budget);
    });
  }

  base::Status publish(const shard::Effect& effect) {
    TRV_TRY_ASSIGN(const Value event, json::parse(effect.input));
    // Where an instance has heard it, the emitter goes on in a decision of its own, which the next look makes: the
    // event is known then.
    const base::Status received = receive(event, &effect);
    if (received) return {};
    shard::Outcome outcome;
    outcome.code = base::to_string(received.error().code());
    outcome.message = received.error().message();
    return settle(effect.key, outcome);
  }

  /// In the order in which they began; of the workflow that the case is about first.
  base::Result<std::vector<instance::InstanceId>> started() {
    std::vector<instance::InstanceId> out;
    std::size_t own = 0;
    const definition::Name& name = case_.workflows.front().name;
    TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, shard_.read());
    const base::TenantId tenant{std::string(case_tenant)};
    const instance::InstanceStore store(shard_.workflows().tables);
    for (const base::Bytes& stored : shard_.records()) {
      TRV_TRY_ASSIGN(const record::Record record, record::Record::decode(stored));
      if (record->type() != instance::instance_started_type) continue;
      const auto id = base::Uuid::parse(record->stream_id());
      TRV_ASSERT(id.has_value());
      TRV_TRY_ASSIGN(const auto loaded, store.load(txn, tenant, *id));
      const bool is_own = loaded && loaded->definition == name;
      out.insert(is_own ? out.begin() + static_cast<std::ptrdiff_t>(own++) : out.end(), *id);
    }
    return out;
  }

  static Value json_or_null(const std::string& text) {
    const auto value = json::parse(text.empty() ? "null" : text, {.bytes_max = text.size() + 4});
    return value ? *value : Value(text);
  }

  base::Status look() {
    TRV_TRY_ASSIGN(const auto instances, started());
    Value& found = played_.found;
    found = Value::object();
    if (instances.empty() && !refusal_.empty()) found.set("refused", Value(refusal_));
    TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, shard_.read());
    Value others = Value::array();
    for (std::size_t i = 0; i < instances.size(); ++i) {
      TRV_TRY_ASSIGN(Value seen, look_at(txn, instances[i], i == 0));
      if (i == 0) {
        found = std::move(seen);
      } else {
        others.push_back(std::move(seen));
      }
    }
    if (found.find("status") == nullptr) found.set("status", Value("not started"));
    found.set("calls", services_.calls());
    TRV_TRY_ASSIGN(Value emitted, emitted_events());
    found.set("emitted", std::move(emitted));
    found.set("started", std::move(others));
    return {};
  }

  base::Result<Value> look_at(const lmdb::Txn& txn, const instance::InstanceId& id, bool with_tasks) {
    const base::TenantId tenant{std::string(case_tenant)};
    const instance::InstanceStore store(shard_.workflows().tables);
    TRV_TRY_ASSIGN(const auto detail, store.find(txn, tenant, id, shard_.record_at()));
    TRV_ASSERT(detail.has_value());
    const instance::InstanceSummary& summary = detail->summary;
    Value out = {{"workflow", fmt::format("{}/{}", summary.definition.space, summary.definition.name)},
                 {"status", instance::to_string(summary.status)}};
    if (summary.status == instance::Status::completed) out.set("output", json_or_null(detail->output));
    if (summary.status == instance::Status::faulted) out.set("error", json_or_null(detail->error));
    if (!with_tasks) {
      out.set("input", json_or_null(detail->input));
      return out;
    }
    const base::Duration takes = summary.updated - summary.started;
    out.set("takes", Value(std::chrono::duration<double>(takes).count()));
    Value tasks = Value::array();
    TRV_TRY_ASSIGN(const auto steps, store.timeline(txn, tenant, id, {}, 100'000, shard_.record_at()));
    for (const instance::InstanceStep& step : steps.items) {
      if (!step.task.empty() && step.outcome == "completed") tasks.push_back(Value(step.task));
    }
    out.set("tasks", std::move(tasks));
    return out;
  }

  /// Of the workflows: what came by the outbox.
  base::Result<Value> emitted_events() const {
    Value out = Value::array();
    for (const base::Bytes& stored : shard_.records()) {
      TRV_TRY_ASSIGN(const record::Record record, record::Record::decode(stored));
      if (record->type() != ingest::received_type) continue;
      TRV_TRY_ASSIGN(const auto* event, record::payload_of<schema::ingest::EventReceived>(record.view()));
      if (!record::text_of(event->channel()).starts_with(gateway::workflow_channel)) continue;
      Value emitted = Value::object();
      const auto add = [&](std::string_view attribute, const flatbuffers::String* text) {
        if (text != nullptr) emitted.set(attribute, Value(text->string_view()));
      };
      add("id", event->id());
      add("source", event->source());
      add("type", event->type());
      add("subject", event->subject());
      add("datacontenttype", event->datacontenttype());
      add("dataschema", event->dataschema());
      if (event->time_ns() != 0) emitted.set("time", Value(base::Timestamp(event->time_ns()).to_rfc3339()));
      if (event->extensions() != nullptr) {
        const Value extensions = json_or_null(event->extensions()->str());
        for (const json::Entry& extension : extensions.entries()) {
          emitted.set(extension.key, extension.value);
        }
      }
      if (event->data() != nullptr) emitted.set("data", json_or_null(event->data()->str()));
      out.push_back(std::move(emitted));
    }
    return out;
  }

  const Case& case_;
  LocalShard& shard_;
  Services& services_;
  base::Timestamp now_;
  const std::function<base::Status()>& decided_;
  Played played_;
  std::size_t sent_ = 0;
  std::string refusal_;
};

}  // namespace

base::Result<Played> play(const Case& one, LocalShard& shard, Services& services, base::Timestamp begins,
                          const std::function<base::Status()>& decided) {
  return Player(one, shard, services, begins, decided).run();
}

}  // namespace trv::cases
