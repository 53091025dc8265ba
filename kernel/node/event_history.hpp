#pragma once
// The committed events of one tenant, as CloudEvents, oldest first. What is read is exactly what is asked for: the
// tenant's trail names the positions of its records, and those are looked up in the log.

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "audit/trail/tables.hpp"
#include "events/catalog/event_catalog.hpp"
#include "events/lmdb/env.hpp"
#include "events/log/record_lookup.hpp"
#include "sdk/base/identity.hpp"

namespace trv::node {

/// How events are shown.
enum class View : std::uint8_t {
  records,    ///< each record as a CloudEvent
  lifecycle,  ///< the lifecycle events of the workflow language that records of instances mean
};

/// An event that is a part of what a record says.
struct PartialEvent {
  std::string type;
  std::string text;
};

struct Event {
  log::Lsn lsn;          ///< its place in the tenant's history; see events/record/stays.hpp
  std::string position;  ///< of that, as clients see it
  std::string type;
  std::string text;                   ///< the CloudEvent in JSON, on one line; empty with View::lifecycle
  std::vector<PartialEvent> parts{};  ///< with View::lifecycle: what the record means, in order
};

/// Places in the tenant's history.
struct EventRange {
  log::Lsn after;
  std::optional<log::Lsn> up_to = std::nullopt;
  std::size_t count = 1;      ///< at most so many events, at least 1
  std::size_t bytes_max = 0;  ///< ends behind the event that reaches so many bytes of text
  View view = View::records;
};

/// The tenant has left the shard; what comes behind its events there is in another one.
struct MovedTo {
  log::ShardId shard;
  std::uint64_t move = 0;  ///< the number of the move
};

struct EventPage {
  std::vector<Event> events;
  bool more = false;  ///< the range has events behind these
  std::optional<MovedTo> moved = std::nullopt;
};

/// Any thread; reads come one after another, each bounded by its range.
class EventHistory {
 public:
  EventHistory(log::EventLog& log, const catalog::EventCatalog& catalog) : log_(log), catalog_(catalog) {}

  /// Errors: not_found where a record was trimmed, with the position to go on behind; corrupt where a payload does not
  /// fit its schema, or the trail leads to a record of another tenant; what the log and the projection report.
  [[nodiscard]] base::Result<EventPage> read(const lmdb::Txn& txn, const trail::Tables& tables,
                                             const base::TenantId& tenant, const record::Stays& stays,
                                             const EventRange& range);

 private:
  [[nodiscard]] base::Error of_trimmed(const base::TenantId& tenant, log::ShardId shard, base::Error error) const;

  log::EventLog& log_;
  const catalog::EventCatalog& catalog_;
  std::mutex mutex_;
  std::map<log::ShardId, log::RecordLookup> records_;
};

}  // namespace trv::node
