#pragma once
// The tables of the workflow projection and their keys. Every key begins with the tenant.

#include <optional>
#include <string>
#include <string_view>

#include "events/lmdb/table.hpp"
#include "events/record/position.hpp"
#include "kernel/workflow/definition/definition.hpp"
#include "sdk/base/identity.hpp"
#include "sdk/base/timestamp.hpp"
#include "sdk/base/uuid.hpp"

namespace trv::instance {

/// Items of a loop that share a row.
inline constexpr std::size_t items_per_row = 64;

/// Handles; cheap to copy, valid as long as the environment.
struct Tables {
  lmdb::Table definitions;      ///< tenant 0 namespace 0 name 0 version → DefinitionRow
  lmdb::Table latest;           ///< tenant 0 namespace 0 name → version
  lmdb::Table disabled;         ///< tenant 0 namespace 0 name → DisabledRow
  lmdb::Table retired;          ///< tenant 0 digest → DefinitionRow, of deleted workflows: their instances go on
  lmdb::Table subscriptions;    ///< tenant 0 event type 0 namespace 0 name → version
  lmdb::Table filter_failures;  ///< tenant 0 namespace 0 name 0 version → FilterFailuresRow
  lmdb::Table schedules;        ///< tenant 0 namespace 0 name → ScheduleRow, of the latest version
  lmdb::Table gathered;         ///< gathered_prefix lsn → JSON of an event that waits for others
  lmdb::Table instances;        ///< tenant 0 instance → InstanceRow
  lmdb::Table inputs;           ///< tenant 0 instance → JSON; while it runs, and as long as its start key is kept
  lmdb::Table branches;         ///< tenant 0 instance branch → ForkedRow; not of the root
  lmdb::Table contexts;         ///< tenant 0 instance branch → JSON; while it runs
  lmdb::Table frames;         ///< … branch depth → JSON of the frame's input; … branch depth chunk → JSON of loop items
  lmdb::Table listens;        ///< listen_prefix, listen_end → nothing; what tasks listen for
  lmdb::Table compensations;  ///< tenant 0 instance number → CompletedRow, in the order of the tasks' ends
  lmdb::Table positions;      ///< tenant 0 instance first lsn → runs of positions, earlier than those in the row
  lmdb::Table ended;          ///< tenant 0 time instance → nothing
  lmdb::Table start_keys;     ///< tenant 0 digest of the trigger → instance; only triggers that begin with "key:"

  lmdb::Table marks;  ///< mark instance → nothing; what instances are searched by

  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn);
};

[[nodiscard]] std::string tenant_prefix(std::string_view tenant);
[[nodiscard]] std::string definition_key(std::string_view tenant, std::string_view space, std::string_view name,
                                         std::string_view version);
[[nodiscard]] std::string latest_key(std::string_view tenant, std::string_view space, std::string_view name);
[[nodiscard]] std::string retired_key(std::string_view tenant, const base::Digest& sha256);
/// Of the events that came for one filter of a schedule and agree with each other.
[[nodiscard]] std::string gathered_prefix(std::string_view latest_key, std::string_view correlation,
                                          std::uint32_t filter);
[[nodiscard]] std::string gathered_key(std::string_view gathered_prefix, record::Lsn place);
inline constexpr std::size_t gathered_correlation_bytes = 16;
[[nodiscard]] std::string subscription_prefix(std::string_view tenant, std::string_view event_type);
[[nodiscard]] std::string instance_key(std::string_view tenant, const base::Uuid& instance);
[[nodiscard]] std::string branch_key(std::string_view instance_key, std::uint32_t branch);
/// The branch at the end of a branch_key.
[[nodiscard]] std::uint32_t branch_of(base::BytesView branch_key);
/// Of the frame at `depth`, counted from the outermost; of the row with its input.
[[nodiscard]] std::string frame_key(std::string_view branch_key, std::size_t depth);
/// Of items_per_row items of a loop.
[[nodiscard]] std::string items_key(std::string_view branch_key, std::size_t depth, std::size_t row);
[[nodiscard]] std::string compensation_key(std::string_view instance_key, std::uint32_t number);
/// `ended_ns` is not negative.
[[nodiscard]] std::string ended_key(std::string_view tenant, std::int64_t ended_ns, const base::Uuid& instance);
/// The time in such a key.
[[nodiscard]] base::Timestamp time_of(base::BytesView ended_key);
/// What follows in a key of Tables::listens: the definition, the task, its filter, the correlation, the instance, the
/// branch. So instances that listen for the same are found together, and those that an event agrees with among them.
struct ListenEnd {
  base::Digest definition{};
  std::uint32_t task = 0;
  std::uint32_t filter = 0;
  std::uint64_t correlation = 0;
  base::Uuid instance;
  std::uint32_t branch = 0;
};
inline constexpr std::size_t listen_group_bytes = 32 + 4 + 2;  ///< up to the filter
inline constexpr std::size_t listen_end_bytes = listen_group_bytes + 8 + 16 + 4;
[[nodiscard]] std::string listen_prefix(std::string_view tenant, std::string_view event_type);
[[nodiscard]] std::string listen_end(const ListenEnd& end);
[[nodiscard]] ListenEnd listen_end_in(base::BytesView end);
[[nodiscard]] std::string positions_key(std::string_view instance_key, record::Lsn first);
/// What instances have in common that are looked for together.
enum class Mark : char { correlation = 'c', key = 'k', not_compensated = 'n', status = 's', workflow = 'w' };
/// What the keys of Tables::marks begin with: the tenant and a digest of the value. The instance follows, so that those
/// of one mark are in order of time.
[[nodiscard]] std::string mark_prefix(std::string_view tenant, Mark mark, std::string_view value);
[[nodiscard]] std::string start_key(std::string_view tenant, std::string_view trigger);
/// The instance at the end of an instance_key.
[[nodiscard]] base::Uuid instance_of(base::BytesView instance_key);

}  // namespace trv::instance
