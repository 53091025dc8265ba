#pragma once
// For tests: decisions applied to a real projection, without a log. Nothing goes wrong.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "events/lmdb/env.hpp"
#include "events/record/record.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/shard/outbox.hpp"
#include "kernel/shard/tenant_rows.hpp"
#include "kernel/shard/timers.hpp"
#include "kernel/workflow/instance/actions.hpp"
#include "kernel/workflow/instance/projector.hpp"
#include "sdk/base/random.hpp"

namespace trv::instance::testing {

/// The value of a result that must be good.
template <typename T>
T good(base::Result<T> result) {
  if (!result) {
    ADD_FAILURE() << base::to_string(result.error().code()) << ": " << result.error().message();
    std::abort();
  }
  return *std::move(result);
}
inline void good(base::Status status) {
  if (!status) {
    ADD_FAILURE() << status.error().message();
    std::abort();
  }
}

class TestKernel {
 public:
  TestKernel()
      : folder_(std::filesystem::temp_directory_path() /
                ("trv-workflow-" + base::Uuid::v7(base::Timestamp(1), real_).to_string())),
        env_(good(lmdb::Env::open(folder_, {.map_bytes = std::uint64_t{1} << 30, .sync = lmdb::Sync::none}))) {
    auto txn = good(env_.begin_write());
    good(timers_.open(txn));
    good(outbox_.open(txn));
    good(projector_.open(txn));
    good(txn.commit());
  }
  ~TestKernel() { std::filesystem::remove_all(folder_); }
  TestKernel(const TestKernel&) = delete;
  TestKernel& operator=(const TestKernel&) = delete;

  [[nodiscard]] shard::DecisionContext context() {
    return {base::TenantId(tenant), "member:ada", now, ids_, std::nullopt, std::nullopt, ""};
  }
  [[nodiscard]] Workflows workflows() { return {projector_.tables(), cache, outbox_}; }

  /// Decides with `decide(txn, context, workflows)` and applies its events.
  template <typename Decide>
  auto run(Decide decide) {
    auto txn = good(env_.begin_write());
    auto here = context();
    auto result = decide(std::as_const(txn), here, workflows());
    if (result) apply(txn, decision_of(*result));
    good(txn.commit());
    return result;
  }

  definition::Name apply_text(std::string_view text, definition::Format format = definition::Format::yaml) {
    return good(run([&](auto& txn, auto& here, auto those) {
             return apply_definition(txn, here, those, good(ApplyDefinition::compile(std::string(text), format)));
           }))
        .name;
  }
  InstanceId start(const definition::Name& name, std::string_view input = {}) {
    return good(run([&](auto& txn, auto& here, auto those) {
             return instance::start(
                 txn, here, those,
                 {.space = name.space, .name = name.name, .version = name.version, .input = std::string(input)});
           }))
        .instance;
  }
  base::Result<SettledEffect> settle(std::string_view key, const shard::Outcome& outcome) {
    return run([&](auto& txn, auto& here, auto those) { return instance::outcome(txn, here, those, key, outcome); });
  }
  base::Result<SettledEffect> succeed(std::string_view key, std::string_view output) { return answer(key, 0, output); }
  /// Of an HTTP call: the service answered with this status.
  base::Result<SettledEffect> answer(std::string_view key, std::uint32_t status, std::string_view output) {
    shard::Outcome outcome;
    outcome.ok = true;
    outcome.status = status;
    outcome.output = output;
    return settle(key, outcome);
  }
  base::Result<SettledEffect> fail(std::string_view key, std::string_view code, std::uint32_t status = 0) {
    shard::Outcome outcome;
    outcome.code = code;
    outcome.status = status;
    outcome.message = "it went wrong";
    return settle(key, outcome);
  }
  /// Moves time to the first timer and fires it. False where there is none.
  bool fire_timer() {
    std::vector<shard::Timer> due;
    {
      auto txn = good(env_.begin_read());
      due = good(timers_.due(txn, base::Timestamp(INT64_MAX), 1));
    }
    if (due.empty()) return false;
    now = std::max(now, due.front().due);
    const std::string owner = due.front().owner;
    (void)good(run([&](auto& txn, auto& here, auto those) { return instance::timer(txn, here, those, owner); }));
    return true;
  }
  [[nodiscard]] InstanceDetail detail(const InstanceId& id) {
    auto txn = good(env_.begin_read());
    auto found = good(InstanceStore(projector_.tables()).find(txn, base::TenantId(tenant), id, record_at()));
    return found ? *std::move(found) : InstanceDetail{};
  }
  [[nodiscard]] std::vector<InstanceStep> timeline(const InstanceId& id) {
    auto txn = good(env_.begin_read());
    return good(InstanceStore(projector_.tables()).timeline(txn, base::TenantId(tenant), id, {}, 100'000, record_at()))
        .items;
  }
  /// Of everything that was applied.
  [[nodiscard]] RecordAt record_at() const {
    return [this](record::Lsn lsn) -> base::Result<record::Record> {
      if (lsn.value() < 1 || lsn.value() > log_.size()) return base::fail(base::ErrorCode::not_found, "no such record");
      return record::Record::decode(log_[lsn.value() - 1]);
    };
  }
  /// Bytes of everything that was applied.
  [[nodiscard]] std::size_t log_bytes() const {
    std::size_t bytes = 0;
    for (const base::Bytes& record : log_) bytes += record.size();
    return bytes;
  }
  [[nodiscard]] std::vector<shard::Effect> pending() {
    auto txn = good(env_.begin_read());
    return good(outbox_.pending(txn, base::TenantId(tenant), record::Lsn(0), 10'000));
  }
  [[nodiscard]] std::size_t timers() {
    auto txn = good(env_.begin_read());
    return good(timers_.due(txn, base::Timestamp(INT64_MAX), 1'000)).size();
  }
  [[nodiscard]] std::optional<base::Timestamp> next_timer() {
    auto txn = good(env_.begin_read());
    const auto due = good(timers_.due(txn, base::Timestamp(INT64_MAX), 1));
    return due.empty() ? std::nullopt : std::optional(due.front().due);
  }
  /// Of every table of workflows and of the timers.
  [[nodiscard]] std::string rows() {
    auto txn = good(env_.begin_write());
    std::string out;
    for (const std::string_view name : shard::TenantRows::tables()) {
      if (!name.starts_with("workflow_")) continue;
      const lmdb::Table table = good(txn.create_table(name));
      out += name;
      good(lmdb::scan(txn, table, {}, {}, lmdb::Direction::forward,
                      [&](base::BytesView key, base::BytesView value) -> base::Result<lmdb::Visit> {
                        out += "\n" + base::to_hex(key) + "=" + base::to_hex(value);
                        return lmdb::Visit::go_on;
                      }));
    }
    for (const shard::Timer& timer : good(timers_.due(txn, base::Timestamp(INT64_MAX), 100'000))) {
      out += "\n" + timer.owner + timer.due.to_rfc3339();
    }
    return out;
  }
  [[nodiscard]] lmdb::ReadTxn read() { return good(env_.begin_read()); }
  [[nodiscard]] const Tables& tables() const { return projector_.tables(); }
  [[nodiscard]] std::size_t events_last() const { return events_last_; }

  std::string tenant = "acme";
  base::Timestamp now{1'767'225'600'000'000'000};
  DefinitionCache cache;
  /// Applies everything that the other kernel has applied.
  void replay(const TestKernel& other) {
    auto txn = good(env_.begin_write());
    for (const base::Bytes& stored : other.log_) {
      const record::Record event = good(record::Record::decode(stored));
      apply_view(txn, event.view());
      log_.push_back(stored);
      lsn_ = event.view().lsn();
    }
    good(projector_.finish(txn));
    good(txn.commit());
  }

 private:
  static std::vector<record::Draft>& decision_of(shard::Decision& decision) { return decision.events; }
  template <typename Other>
  static std::vector<record::Draft>& decision_of(Other& other) {
    return other.decision.events;
  }

  void apply(lmdb::WriteTxn& txn, const std::vector<record::Draft>& events) {
    events_last_ = events.size();
    for (const record::Draft& event : events) {
      const auto view = good(encoder_.encode(event, {record::ShardId(1), lsn_ = lsn_.next(), record::Epoch(1), {}}));
      log_.emplace_back(view.stored().begin(), view.stored().end());
      apply_view(txn, view);
    }
    good(projector_.finish(txn));
  }

  void apply_view(lmdb::WriteTxn& txn, const record::RecordView& view) {
    good(timers_.apply(txn, view));
    good(outbox_.apply(txn, view));
    good(projector_.apply(txn, view));
  }

  base::SystemRandom real_;
  base::SimulatedRandom random_{7};
  base::UuidSource ids_{random_};
  std::filesystem::path folder_;
  lmdb::Env env_;
  shard::Timers timers_;
  shard::Outbox outbox_;
  WorkflowProjector projector_{timers_};
  record::RecordEncoder encoder_;
  record::Lsn lsn_;
  std::size_t events_last_ = 0;
  std::vector<base::Bytes> log_;  ///< as stored
};

/// {dsl, namespace: test, name: it, version: 1.0.0} and `rest`.
[[nodiscard]] inline std::string document(std::string_view rest) {
  return "document: {dsl: '1.0.3', namespace: test, name: it, version: '1.0.0'}\n" + std::string(rest);
}

/// Every row of the workflow tables.
[[nodiscard]] inline std::map<std::string, std::string> rows_of(TestKernel& kernel) {
  std::map<std::string, std::string> out;
  auto txn = kernel.read();
  const Tables& tables = kernel.tables();
  int number = -1;  // marks, which an instance leaves when it ends, come before its row
  for (const lmdb::Table* table : {&tables.marks, &tables.definitions, &tables.latest, &tables.subscriptions,
                                   &tables.instances, &tables.inputs, &tables.contexts, &tables.frames,
                                   &tables.branches, &tables.listens, &tables.positions, &tables.compensations}) {
    ++number;
    good(lmdb::scan(txn, *table, {}, {}, lmdb::Direction::forward,
                    [&](base::BytesView key, base::BytesView value) -> base::Result<lmdb::Visit> {
                      out[fmt::format("{:02}:{}", number, base::as_text(key))] = base::as_text(value);
                      return lmdb::Visit::go_on;
                    }));
  }
  return out;
}

/// A kernel, and what most tests ask of it.
class WorkflowTest : public ::testing::Test {
 protected:
  /// Status, and output or error.
  std::string state(const InstanceId& id) {
    const InstanceDetail detail = kernel_.detail(id);
    return fmt::format("{} {}", to_string(detail.summary.status), detail.output + detail.error);
  }
  /// The records alone lead to the same.
  void expect_replay() {
    TestKernel again;
    again.replay(kernel_);
    EXPECT_EQ(rows_of(again), rows_of(kernel_));
    EXPECT_EQ(again.timers(), kernel_.timers());
    EXPECT_EQ(again.pending().size(), kernel_.pending().size());
  }

  TestKernel kernel_;
};

}  // namespace trv::instance::testing
