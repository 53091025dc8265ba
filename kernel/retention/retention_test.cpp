#include "kernel/retention/retention.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "events/lmdb/env.hpp"
#include "kernel/tenancy/decisions.hpp"
#include "kernel/workflow/instance/decisions.hpp"
#include "kernel/workflow/instance/projector.hpp"
#include "sdk/base/random.hpp"

namespace trv::retention {
namespace {

constexpr auto day = std::chrono::hours(24);

template <typename T>
T good(base::Result<T> result) {
  if (!result) {
    ADD_FAILURE() << result.error().message();
    std::abort();
  }
  return *std::move(result);
}
void good(base::Status status) {
  ASSERT_TRUE(status) << status.error().message();
}

/// Every store that forgets, on one environment, without a log.
class Kernel {
 public:
  explicit Kernel(const char* name)
      : folder_(std::filesystem::temp_directory_path() /
                ("trv-retention-" + std::string(name) + "-" + base::Uuid::v7(base::Timestamp(1), real_).to_string())),
        env_(good(lmdb::Env::open(folder_, {.map_bytes = std::uint64_t{1} << 30, .sync = lmdb::Sync::none}))) {
    auto txn = good(env_.begin_write());
    for (projection::Projector* projector : all()) good(projector->open(txn));
    good(txn.commit());
  }
  ~Kernel() { std::filesystem::remove_all(folder_); }
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  template <typename Decide>
  std::vector<std::string> run(Decide decide) {
    auto txn = good(env_.begin_write());
    shard::DecisionContext context{tenant, "member:ada", now, ids_, std::nullopt, std::nullopt, ""};
    const base::Result<shard::Decision> decision = decide(std::as_const(txn), context);
    if (!decision) return {decision.error().message()};
    std::vector<std::string> types;
    for (std::size_t i = 0; i < decision->events.size(); ++i) {
      record::Draft draft = decision->events[i];
      draft.decision_end = i + 1 == decision->events.size();
      const auto view = good(encoder_.encode(draft, {record::ShardId(1), lsn_ = lsn_.next(), record::Epoch(1), {}}));
      log.emplace_back(view.stored().begin(), view.stored().end());
      for (projection::Projector* projector : all()) good(projector->apply(txn, view));
      types.push_back(draft.type);
    }
    for (projection::Projector* projector : all()) good(projector->finish(txn));
    good(txn.commit());
    return types;
  }
  void replay(const std::vector<base::Bytes>& records) {
    auto txn = good(env_.begin_write());
    for (const base::Bytes& stored : records) {
      const record::Record event = good(record::Record::decode(stored));
      for (projection::Projector* projector : all()) good(projector->apply(txn, event.view()));
    }
    for (projection::Projector* projector : all()) good(projector->finish(txn));
    good(txn.commit());
  }

  instance::InstanceId start(const std::string& trigger = "api") {
    instance::InstanceId id;
    run([&](const lmdb::Txn& txn, shard::DecisionContext& context) -> base::Result<shard::Decision> {
      TRV_TRY_ASSIGN(auto started,
                     instance::start(txn, context, workflows_state(),
                                     {.space = "test", .name = "it", .version = "", .input = "", .trigger = trigger}));
      id = started.instance;
      return std::move(started.decision);
    });
    return id;
  }
  static ingest::Received event_named(const std::string& id) {
    return {.id = id, .source = "s", .type = "t", .subject = "", .time = {}, .data = "{}", .channel = "api"};
  }
  void take_event(const std::string& id) {
    run([&](const lmdb::Txn&, shard::DecisionContext& context) -> base::Result<shard::Decision> {
      TRV_TRY_ASSIGN(record::Draft draft, ingest::received(context, event_named(id)));
      shard::Decision decision;
      decision.events.push_back(std::move(draft));
      return decision;
    });
  }
  bool is_taken(const std::string& id) {
    auto txn = good(env_.begin_read());
    return good(ingest.taken(txn, tenant, event_named(id))).has_value();
  }
  bool has(const instance::InstanceId& id) {
    auto txn = good(env_.begin_read());
    return good(instance::InstanceStore(workflows.tables()).load(txn, tenant, id)).has_value();
  }
  std::vector<std::string> set(std::uint32_t instances_days, std::uint32_t events_days) {
    return run([&](const lmdb::Txn& txn, shard::DecisionContext& context) {
      return tenancy::decide(tenancy, txn, context,
                             tenancy::SetRetention{{.instances_days = instances_days, .events_days = events_days}});
    });
  }
  /// Fires what is due until now; gives the number of sweeps.
  int sweep() {
    for (int sweeps = 0;; ++sweeps) {
      std::vector<shard::Timer> due;
      {
        auto txn = good(env_.begin_read());
        due = good(timers.due(txn, now, 10));
      }
      if (due.empty() || sweeps == 100) return sweeps;
      EXPECT_EQ(due.front().owner, timer_owner);
      EXPECT_EQ(run([&](const lmdb::Txn& txn, shard::DecisionContext& context) {
                  return forget(txn, context, tenancy, workflows.tables(), ingest);
                }),
                std::vector<std::string>{std::string(tenancy::retention_applied_type)});
    }
  }
  std::map<std::string, std::string> rows() {
    std::map<std::string, std::string> out;
    auto txn = good(env_.begin_read());
    for (const std::string& name : good(txn.table_names())) {
      const lmdb::Table table = good(txn.open_table(name));
      good(lmdb::scan(txn, table, {}, {}, lmdb::Direction::forward,
                      [&](base::BytesView key, base::BytesView value) -> base::Result<lmdb::Visit> {
                        out[name + ":" + std::string(base::as_text(key))] = base::as_text(value);
                        return lmdb::Visit::go_on;
                      }));
    }
    return out;
  }
  void apply_definition(std::string_view text) {
    const auto command = good(instance::ApplyDefinition::compile(std::string(text)));
    run([&](const lmdb::Txn& txn, shard::DecisionContext& context) -> base::Result<shard::Decision> {
      TRV_TRY_ASSIGN(auto applied, instance::apply_definition(txn, context, workflows_state(), command));
      return std::move(applied.decision);
    });
  }
  instance::Workflows workflows_state() { return {workflows.tables(), cache_, outbox}; }
  std::vector<projection::Projector*> all() { return {&timers, &outbox, &tenancy, &ingest, &workflows, &retention}; }

  base::TenantId tenant{"acme"};
  base::Timestamp now{1'767'225'600'000'000'000};
  std::vector<base::Bytes> log;
  shard::Timers timers;
  shard::Outbox outbox;
  tenancy::TenancyStore tenancy;
  ingest::IngestStore ingest;
  instance::WorkflowProjector workflows{timers};
  RetentionProjector retention{timers};

 private:
  base::SystemRandom real_;
  base::SimulatedRandom random_{3};
  base::UuidSource ids_{random_};
  std::filesystem::path folder_;
  lmdb::Env env_;
  instance::DefinitionCache cache_;
  record::RecordEncoder encoder_;
  record::Lsn lsn_;
};

constexpr std::string_view short_text =
    "document: {dsl: '1.0.3', namespace: test, name: it, version: '1.0.0'}\ndo: [{s: {set: {x: 1}}}]\n";

TEST(Retention, forgets_what_ended_after_the_days_that_the_tenant_sets_and_replays_to_the_same) {
  Kernel kernel("live");
  kernel.apply_definition(short_text);
  const auto first = kernel.start("key:order-1");
  kernel.take_event("e1");
  EXPECT_EQ(kernel.set(10, 3), std::vector<std::string>{std::string(tenancy::retention_set_type)});
  EXPECT_EQ(kernel.set(10, 3), std::vector<std::string>{});
  kernel.now = kernel.now + 5 * day;
  const auto second = kernel.start();
  EXPECT_GE(kernel.sweep(), 1);
  EXPECT_FALSE(kernel.is_taken("e1"));
  EXPECT_TRUE(kernel.has(first));
  EXPECT_EQ(kernel.start("key:order-1"), first);
  kernel.now = kernel.now + 6 * day;
  EXPECT_GE(kernel.sweep(), 1);
  EXPECT_FALSE(kernel.has(first));
  EXPECT_TRUE(kernel.has(second));
  // The key is free again.
  EXPECT_NE(kernel.start("key:order-1"), first);
  kernel.now = kernel.now + 30 * day;
  kernel.sweep();
  EXPECT_FALSE(kernel.has(second));
  for (const auto& [key, value] : kernel.rows()) {
    for (const char* table : {"workflow_instances", "workflow_ended", "workflow_positions", "workflow_inputs",
                              "workflow_start_keys", "ingest", "timers", "retention_due"}) {
      EXPECT_FALSE(key.starts_with(table)) << key;
    }
  }
  Kernel replayed("replay");
  replayed.replay(kernel.log);
  EXPECT_EQ(replayed.rows(), kernel.rows());
}

TEST(Retention, keeps_what_runs_and_what_is_set_to_stay) {
  Kernel kernel("kept");
  kernel.apply_definition(
      "document: {dsl: '1.0.3', namespace: test, name: it, version: '1.0.0'}\ndo: [{w: {call: "
      "'a.b:1.0.0@default'}}]\n");
  const auto running = kernel.start();
  kernel.take_event("e1");
  kernel.set(1, 0);
  kernel.now = kernel.now + 1'000 * day;
  kernel.sweep();
  EXPECT_TRUE(kernel.has(running));
  EXPECT_TRUE(kernel.is_taken("e1"));
  EXPECT_EQ(kernel.set(40'000, 0),
            std::vector<std::string>{"instances_days is 40000; it can be 1 to 36500, or 0 for ever"});
}

TEST(Retention, forgets_a_bounded_number_at_once_and_goes_on) {
  Kernel kernel("bounded");
  kernel.apply_definition(short_text);
  std::vector<instance::InstanceId> ids;
  for (int i = 0; i < 1'200; ++i) ids.push_back(kernel.start());
  kernel.set(1, 1);
  kernel.now = kernel.now + 2 * day;
  EXPECT_EQ(kernel.sweep(), 3);
  EXPECT_TRUE(std::ranges::none_of(ids, [&](const auto& id) { return kernel.has(id); }));
}

TEST(Retention, leaves_other_tenants_alone) {
  Kernel kernel("tenants");
  kernel.apply_definition(short_text);
  const auto ours = kernel.start();
  kernel.tenant = base::TenantId("other");
  kernel.apply_definition(short_text);
  const auto theirs = kernel.start();
  kernel.set(1, 1);
  kernel.now = kernel.now + 2 * day;
  kernel.run([&](const lmdb::Txn& txn, shard::DecisionContext& context) {
    return forget(txn, context, kernel.tenancy, kernel.workflows.tables(), kernel.ingest);
  });
  EXPECT_FALSE(kernel.has(theirs));
  kernel.tenant = base::TenantId("acme");
  EXPECT_TRUE(kernel.has(ours));
}

}  // namespace
}  // namespace trv::retention
