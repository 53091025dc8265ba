#pragma once
// What must hold of a shard's log and of every state that was made from it.

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "events/catalog/event_catalog.hpp"
#include "events/log/in_memory_event_log.hpp"
#include "events/projection/projector.hpp"
#include "tests/support/simulation/bug.hpp"
#include "tests/support/simulation/history.hpp"
#include "tests/support/simulation/taken.hpp"
#include "tests/support/simulation/world.hpp"

namespace trv::simulation {

/// Makes the projector that applies after the kernel's, anew for each projection; empty: none.
using MadeProjector = std::function<std::unique_ptr<projection::Projector>()>;

/// What a log says, when it was checked.
struct LogSays {
  base::Digest last_hash{};
  std::map<std::string, std::vector<log::Lsn>> received;  ///< by source and id of the event, as "source id"
};

/// One thread. Reports to the history, which outlives it, as does the log.
class Checks {
 public:
  Checks(log::InMemoryEventLog& log, Bug bug, std::filesystem::path folder, MadeProjector extra, History& history)
      : log_(log), bug_(bug), folder_(std::move(folder)), extra_(std::move(extra)), history_(history) {}

  /// A replay in a scratch folder, from the snapshot or, where that is null, from lsn 1, gives the state `wanted`.
  void replay(log::ShardId shard, const Taken* from, const base::Digest& wanted, std::string what) const;
  /// The log alone is chained, in order of time, has one outcome for each effect and a key for each of its own, and
  /// holds the commands that were acknowledged. `state` is of the shard's owner, at the log's end.
  LogSays log(const World& state, const std::vector<const World*>& asked) const;
  /// Every row follows from its tenant's records alone: so no record changes another tenant's rows.
  void tenants(const World& state, const std::vector<std::string>& tenants) const;
  /// Nothing is under way.
  void all_ended(const World& state, const std::vector<std::string>& tenants) const;

 private:
  struct Seen;
  void answer(const Sent& sent, const Seen& seen) const;
  void count(const catalog::EventCatalog& catalog, const record::RecordView& event) const;
  template <typename T>
  T good(base::Result<T> result) const {
    if (!result) history_.fail(result.error().message());
    TRV_ASSERT(result.has_value());
    return *std::move(result);
  }

  log::InMemoryEventLog& log_;
  const Bug bug_;
  const std::filesystem::path folder_;
  const MadeProjector extra_;
  History& history_;
};

}  // namespace trv::simulation
