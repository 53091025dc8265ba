#pragma once
// What retention forgets, held against what the log says: nothing that runs, nothing too early, nothing twice, and
// everything whose time is over.

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "events/record/record.hpp"
#include "kernel/shard/decision.hpp"
#include "kernel/tenancy/model.hpp"
#include "tests/support/simulation/rows.hpp"

namespace trv::simulation {

/// A planted bug: what retention would record, of an instance that may be under way.
[[nodiscard]] base::Result<shard::Decision> forgetting(const shard::DecisionContext& context,
                                                       const base::Uuid& instance);

/// The records of one shard, in the order of its log.
class Forgotten {
 public:
  void take(const record::RecordView& event);
  /// At the log's end, when every timer that was due has fired, with the state that the log led to.
  void end(base::Timestamp now, const Rows& rows);

  std::vector<std::string> problems;
  std::uint64_t instances = 0;  ///< that were forgotten
  std::uint64_t events = 0;     ///< ids of taken events that were forgotten

 private:
  struct Instance {
    std::optional<base::Timestamp> ended;
    bool is_forgotten = false;
  };
  using Key = std::pair<std::string, base::Uuid>;  ///< of a tenant and an instance

  void forget(const record::RecordView& event);
  [[nodiscard]] base::Duration kept(const std::string& tenant) const;

  std::map<std::string, tenancy::Retention> settings_;
  std::map<Key, Instance> instances_;
};

}  // namespace trv::simulation
