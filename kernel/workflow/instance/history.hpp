#pragma once
// An instance as it once was: its records up to a place, projected anew. For a thread of requests, not for the shard's:
// the time and the reads grow with the instance's records.

#include <string>
#include <variant>

#include "kernel/workflow/instance/state.hpp"
#include "kernel/workflow/instance/store.hpp"

namespace trv::instance {

/// Of an instance with more records no past is made.
inline constexpr std::size_t past_records_max = 200'000;

struct Past {
  InstanceStore::Loaded instance;  ///< with all of its data: every branch, context, frame's input and loop's items
  InstanceDetail detail;           ///< the same as lists show it
  json::Value input;               ///< as the instance keeps it
  std::string task;               ///< reference of the task that failed, or that the last event was about; may be empty
  BranchId branch = root_branch;  ///< where that task was; there is one of this number
  std::uint64_t steps = 0;        ///< of the instance by now, to see whether something came since
  record::Lsn place;              ///< of the last event, in the tenant's history
  base::Uuid event;               ///< its id
  base::Timestamp time;
};

/// The state from before the task failed that ended the instance. Errors: not_found; conflict where it has not
/// faulted, or failed before its first task; too_large for past_records_max; unavailable where no scratch file can be
/// written.
[[nodiscard]] base::Result<Past> before_failure(const lmdb::Txn& txn, const Tables& tables,
                                                const base::TenantId& tenant, const InstanceId& id,
                                                const RecordAt& record_at);

/// Behind the last of the instance's events that is not behind this place or time; or behind the event of this id.
using At = std::variant<record::Lsn, base::Timestamp, base::Uuid>;

/// As it was then, whatever came of it since. Errors: not_found, also where it had not started or has no such event;
/// too_large and unavailable as above.
[[nodiscard]] base::Result<Past> behind(const lmdb::Txn& txn, const Tables& tables, const base::TenantId& tenant,
                                        const InstanceId& id, const At& at, const RecordAt& record_at);

}  // namespace trv::instance
