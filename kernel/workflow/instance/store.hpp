#pragma once
// Reading the workflow projection: for decisions, and for what shows it. Everything is scoped by tenant; what
// belongs to another tenant answers as what does not exist. Any thread, each call within the caller's transaction.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/record/record.hpp"
#include "kernel/workflow/instance/row.hpp"
#include "kernel/workflow/instance/state.hpp"
#include "kernel/workflow/instance/tables.hpp"

namespace trv::instance {

/// The idempotency key of the effect of a task's run.
[[nodiscard]] std::string effect_key(const base::TenantId& tenant, std::string_view instance, std::string_view task,
                                     std::uint32_t run);

/// Events that did not start a workflow because its filter failed.
struct FilterFailures {
  std::uint64_t count = 0;
  base::Timestamp time;  ///< of the last, and what follows
  std::string event;
  std::string reason;
};

/// When a workflow starts by itself.
struct ScheduleState {
  std::string text;                     ///< as definition::Schedule; empty: it does not, and events wait for others
  std::optional<base::Timestamp> due;   ///< none: never again, or the end of the run that goes on decides it
  std::optional<base::Timestamp> last;  ///< the last time that has come
  std::uint64_t missed = 0;             ///< times that passed without a run
  std::uint64_t gathered = 0;           ///< events that wait for those that `all` wants besides
};

/// Since when nothing starts a workflow, by whom and why.
struct Disabled {
  base::Timestamp since;
  std::string actor;
  std::string reason;
};

struct StoredDefinition {
  definition::Name name;
  base::Digest sha256{};
  definition::Format format = definition::Format::yaml;
  std::string title;
  std::string text;  ///< empty in lists
  base::Timestamp applied;
  std::vector<std::string> event_types;
  FilterFailures filter_failures;           ///< in lists only
  std::optional<ScheduleState> schedule{};  ///< in lists only, of the latest version
  std::optional<Disabled> disabled{};       ///< in lists only
};

template <typename Item>
struct Page {
  std::vector<Item> items;
  std::string next;  ///< hand back to go on; empty = that was all
};

class DefinitionStore {
 public:
  explicit DefinitionStore(const Tables& tables) : tables_(tables) {}

  /// An empty version asks for the latest.
  [[nodiscard]] base::Result<std::optional<StoredDefinition>> find(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                   std::string_view space, std::string_view name,
                                                                   std::string_view version = {}) const;
  /// The same without its text.
  [[nodiscard]] base::Result<std::optional<StoredDefinition>> find_head(const lmdb::Txn& txn,
                                                                        const base::TenantId& tenant,
                                                                        std::string_view space, std::string_view name,
                                                                        std::string_view version = {}) const;
  /// The one with this text, also where its workflow was deleted since, or has another text under this version.
  [[nodiscard]] base::Result<std::optional<StoredDefinition>> find_text(const lmdb::Txn& txn,
                                                                        const base::TenantId& tenant,
                                                                        const definition::Name& name,
                                                                        const base::Digest& sha256) const;
  /// nullopt where the workflow is not disabled. Names are as a definition can have them.
  [[nodiscard]] base::Result<std::optional<Disabled>> disabled(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                               std::string_view space, std::string_view name) const;
  /// Of the workflow, by their text.
  [[nodiscard]] base::Result<std::vector<std::string>> versions(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                std::string_view space, std::string_view name) const;
  /// The latest version of each workflow of a namespace.
  [[nodiscard]] base::Result<std::vector<definition::Name>> in_space(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                     std::string_view space) const;
  /// The latest versions that events of this type may start, with those that any type may start.
  [[nodiscard]] base::Result<std::vector<definition::Name>> subscribed(const lmdb::Txn& txn,
                                                                       const base::TenantId& tenant,
                                                                       std::string_view event_type) const;
  /// Every version, by namespace, name and version text. `cursor`: Page::next, or empty.
  [[nodiscard]] base::Result<Page<StoredDefinition>> list(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                          std::string_view cursor, std::size_t count_max) const;

 private:
  [[nodiscard]] base::Result<std::optional<StoredDefinition>> find(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                   definition::Name wanted, bool with_text) const;

  const Tables& tables_;
};

struct InstanceSummary {
  InstanceId id;
  definition::Name definition;
  Status status = Status::running;
  std::string trigger;
  base::Timestamp started;
  base::Timestamp updated;
  std::uint64_t steps = 0;
  std::string current_task;  ///< reference of the task that the last step was about; empty once ended
  Names names;
  std::string error;                         ///< JSON; faulted only
  bool is_compensating = false;              ///< also while it is suspended
  std::vector<std::string> not_compensated;  ///< references of tasks whose compensation failed
};

/// Which instances are looked for: those that are all of this.
struct Search {
  std::optional<Status> status{};          ///< compensating: those too that are suspended meanwhile
  bool has_not_ended = false;              ///< running, suspended or compensating; `status` says nothing then
  bool not_compensated = false;            ///< the compensation of a task has failed
  std::string workflow{};                  ///< namespace/name
  std::string key{};                       ///< see Names
  std::string correlation{};               ///< one of those in Names
  std::string error{};                     ///< its type, the last part of it, or a text in its title or detail
  std::optional<base::Timestamp> since{};  ///< started then or later
  std::optional<base::Timestamp> until{};  ///< started before
};

struct InstanceDetail {
  InstanceSummary summary;
  std::string input;                          ///< JSON
  std::string output;                         ///< JSON; completed only
  std::string error;                          ///< JSON; faulted only
  std::string context;                        ///< JSON
  std::optional<base::Timestamp> due;         ///< when it goes on by itself
  std::vector<shard::EffectPlace> waits_for;  ///< of each branch that is in a call
};

/// One step of an instance's timeline, as its records say it.
struct InstanceStep {
  record::ShardId shard;
  record::Lsn lsn;
  base::Timestamp time;
  std::string type;  ///< of the event, for example trv.task.completed
  std::string task;
  std::string reference;
  std::string kind;
  std::string operation;  ///< of a call that starts
  std::string outcome;    ///< started, waiting, forked, completed, skipped, faulted, retried, cancelled, parked, …
  std::uint32_t attempt = 0;
  std::uint32_t tries = 0;    ///< of a call that ends: how often it went out
  base::Duration duration{};  ///< since the task started
  std::string input;          ///< JSON: of the instance, or what a call hands to its operation; empty where not said
  std::string output;         ///< JSON: of the task or of the instance; empty where not said
  std::string error;          ///< JSON, where there was one
  base::Uuid id;              ///< of the event
  std::string actor;          ///< of what an operator did: who; else empty
  std::string reason;         ///< of what an operator did: why
};

/// Records by their place in the tenant's history, to read what the projection does not hold twice. Error: not_found
/// for one that is not there.
using RecordAt = std::function<base::Result<record::Record>(record::Lsn)>;

class InstanceStore {
 public:
  explicit InstanceStore(const Tables& tables) : tables_(tables) {}

  struct Loaded {
    State state;
    definition::Name definition;
    base::Digest sha256{};
    std::string trigger;
    Names names;
    std::int64_t started_ns = 0;
    std::int64_t resumes_ns = 0;  ///< see InstanceRow
  };
  /// For decisions.
  [[nodiscard]] base::Result<std::optional<Loaded>> load(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                         const InstanceId& id) const;
  [[nodiscard]] base::Result<json::Value> input(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                const InstanceId& id) const;
  /// {} where nothing was exported yet.
  [[nodiscard]] base::Result<json::Value> context(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                  const InstanceId& id, BranchId branch) const;
  /// Error: corrupt where there is no such branch besides the root.
  [[nodiscard]] base::Result<json::Value> branch_data(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                      const InstanceId& id, BranchId branch) const;
  /// The input of the frame at this depth. Error: corrupt where it has none.
  [[nodiscard]] base::Result<json::Value> frame_input(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                      const InstanceId& id, BranchId branch, std::size_t depth) const;
  /// items_per_row items, or fewer in the last row, of the loop at this depth. Error: corrupt.
  [[nodiscard]] base::Result<json::Value> loop_items(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                     const InstanceId& id, BranchId branch, std::size_t depth,
                                                     std::size_t row) const;

  /// Error: corrupt where there is none.
  [[nodiscard]] base::Result<Completed> completed(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                  const InstanceId& id, std::uint32_t number) const;

  /// Input and context of one that has ended are read from its records.
  [[nodiscard]] base::Result<std::optional<InstanceDetail>> find(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                                 const InstanceId& id, const RecordAt& record_at) const;
  /// Latest first. Looks at a bounded number of rows, so that a page may hold fewer than `count_max` and still have a
  /// next; what has a mark (see Tables) is found without looking at others.
  [[nodiscard]] base::Result<Page<InstanceSummary>> list(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                         const Search& search, std::string_view cursor,
                                                         std::size_t count_max) const;
  /// Calls visit(place, record) for the records of an instance from `from` on, in order of the log, until it answers
  /// stop; `count` is as many as are of interest. Errors: not_found for an instance or a record that is not there.
  [[nodiscard]] base::Status each_record(
      const lmdb::Txn& txn, const base::TenantId& tenant, const InstanceId& id, std::uint64_t from, std::size_t count,
      const RecordAt& record_at,
      const std::function<base::Result<lmdb::Visit>(std::uint64_t, const record::RecordView&)>& visit) const;
  /// In order of the log. Errors: not_found for an instance or a record that is not there.
  [[nodiscard]] base::Result<Page<InstanceStep>> timeline(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                          const InstanceId& id, std::string_view cursor,
                                                          std::size_t count_max, const RecordAt& record_at) const;
  /// Calls visit(tenant, place) for each tenant that has instances, with the first record that is read for one of them.
  /// Looks at the oldest of each tenant.
  [[nodiscard]] base::Status first_records(
      const lmdb::Txn& txn,
      const std::function<base::Status(const base::TenantId& tenant, record::Lsn place)>& visit) const;
  /// Calls visit(time, id) for the instances that have ended, the one that ended first first, until it answers stop.
  [[nodiscard]] base::Status oldest_ended(
      const lmdb::Txn& txn, const base::TenantId& tenant,
      const std::function<lmdb::Visit(base::Timestamp, base::BytesView)>& visit) const;

 private:
  const Tables& tables_;
};

}  // namespace trv::instance
