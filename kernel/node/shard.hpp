#pragma once
// A shard as a unit: the stores and projectors of one log, its processor and its event feed, started and stopped
// together. A node holds several.

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>

#include "events/blob/blob_store.hpp"
#include "events/catalog/event_catalog.hpp"
#include "events/log/event_log.hpp"
#include "kernel/http/workers.hpp"
#include "kernel/node/event_feed.hpp"
#include "kernel/node/shard_stores.hpp"
#include "kernel/shard/shard_processor.hpp"
#include "kernel/trace/span.hpp"
#include "kernel/workflow/instance/decisions.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"

namespace trv::node {

/// Called on the shard's thread, but for the first two; must not block, but for them.
struct ShardObserver {
  /// On the thread that starts the shard: its projection is at the log's end, and nobody is served yet. An error ends
  /// the start. May be empty.
  std::function<base::Status()> prepare = {};
  /// The same thread: from here on node::Node gives the shard out. May be empty.
  std::function<void()> serves = {};
  /// As those of shard::ShardListeners.
  std::function<void(shard::EffectChanges)> effects;
  std::function<void()> taken_over;
  /// May be empty.
  std::function<void()> ceded = {};
  /// What the log or the projection reports when it does not take a batch, and what becomes of a timer that fails.
  std::function<void(const base::Error&)> failed;
  /// Whether there is room to store more; see shard::ShardListeners. May be empty.
  std::function<base::Status()> room = {};
  /// For the daemon's log; may be empty: the shard was claimed; records up to `last` are durable and projected.
  std::function<void(const log::Claim&)> claimed = {};
  std::function<void(log::ShardId, log::Lsn last)> committed = {};
  /// See EventFeed::HandOver. May be empty.
  EventFeed::HandOver hand_over = {};
  /// Takes a span of each command of a sampled trace. May be empty.
  trace::SpanSink spans = {};
};

/// open(), start() and stop() from one thread; everything else from any thread.
class Shard {
 public:
  /// Opens the projection; the log is not read yet. The references must outlive the shard. Errors: as
  /// projection::Projection::open; corrupt where the log is shorter than what the projection was made from.
  [[nodiscard]] static base::Result<std::unique_ptr<Shard>> open(const ShardPlace& place, log::EventLog& log,
                                                                 blob::BlobStore& blobs,
                                                                 const catalog::EventCatalog& catalog,
                                                                 const base::Clock& clock, base::Random& random);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  /// Claims the shard, unless it is to be assigned, and brings the projection up to the log's end. Error: cancelled
  /// where `stop` asked for the end of that.
  [[nodiscard]] base::Status start(ShardObserver observer, const std::stop_token& stop = {});
  /// Once, after start(): prepares, and serves from then on.
  [[nodiscard]] base::Status serve();
  /// As those of shard::ShardProcessor, after start(). Any thread.
  void own() { processor_->own(); }
  void cede() { processor_->cede(); }
  /// This process owns it, and may change it. Any thread.
  [[nodiscard]] bool is_owned() const { return has_processor_ && processor_->ready(); }
  [[nodiscard]] bool follows() const { return has_processor_ && processor_->follows(); }
  [[nodiscard]] bool is_outdated() const { return has_processor_ && processor_->is_outdated(); }
  /// Whether requests may ask it. Before that only those who start it may, and its metrics are read; no more once it is
  /// outdated.
  [[nodiscard]] bool is_serving() const noexcept { return is_serving_ && !is_outdated(); }
  /// The last record of the log when the shard was opened.
  [[nodiscard]] log::Lsn log_end() const noexcept { return end_at_open_; }
  /// Records that the projection lacked then.
  [[nodiscard]] std::uint64_t backlog() const noexcept { return end_at_open_.value() - applied_at_open_.value(); }
  /// Finishes the batch in hand and closes the projection cleanly. Idempotent. Error: the projection was not closed
  /// cleanly, and may be rebuilt at the next start.
  [[nodiscard]] base::Status stop();

  /// How many records start() applied to bring the projection up to date.
  [[nodiscard]] std::uint64_t replayed() const noexcept { return caught_up_.to.value() - caught_up_.from.value(); }
  /// From what start() made the projection anew, and why; empty where it was good.
  [[nodiscard]] const std::string& rebuilt_because() const noexcept { return caught_up_.reason; }
  [[nodiscard]] log::ShardId id() const noexcept { return stores_.projection->shard(); }
  [[nodiscard]] log::EventLog& log() const noexcept { return log_; }
  [[nodiscard]] const projection::Projection& projection() const noexcept { return *stores_.projection; }
  [[nodiscard]] const ShardStores& stores() const noexcept { return stores_; }

  /// The stores are read within a transaction of the shard: of begin_read(), or the one that a decision is given.
  /// Error: internal or corrupt; never one that a client could be blamed for, or is shown.
  [[nodiscard]] base::Result<lmdb::ReadTxn> begin_read() const;
  [[nodiscard]] const tenancy::TenancyStore& tenancy() const noexcept { return stores_.tenancy; }
  [[nodiscard]] const tenancy::PluginData& plugin_data() const noexcept { return stores_.plugin_data; }
  [[nodiscard]] const tenancy::PluginBlobs& plugin_blobs() const noexcept { return stores_.plugin_blobs; }
  [[nodiscard]] const ingest::IngestStore& ingest() const noexcept { return stores_.ingest; }
  [[nodiscard]] const instance::Tables& workflows() const noexcept { return stores_.workflows.tables(); }
  [[nodiscard]] const trail::Tables& trail() const noexcept { return stores_.trail.tables(); }
  [[nodiscard]] const shard::Outbox& outbox() const noexcept { return stores_.outbox; }
  [[nodiscard]] const shard::Timers& timers() const noexcept { return stores_.timers; }
  /// What workflow decisions read: within a command's decide, and to warm up for one.
  [[nodiscard]] instance::Workflows decision_state() noexcept {
    return {stores_.workflows.tables(), definitions_, stores_.outbox, &large_data_};
  }

  /// Which tenants have come from other shards, or gone there.
  [[nodiscard]] const shard::Residence& residence() const noexcept { return stores_.residence; }
  /// Where the records of a tenant of this shard are.
  [[nodiscard]] base::Result<record::Stays> stays(const lmdb::Txn& txn, const base::TenantId& tenant) const {
    return stores_.residence.stays(txn, id(), tenant);
  }
  /// The place in the tenant's history that a client names by a position. Errors: as parse_position; unavailable while
  /// the tenant is on its way here or has left.
  [[nodiscard]] base::Result<record::Lsn> place_of(std::string_view name, std::string_view position,
                                                   const base::TenantId& tenant) const;
  /// Whether the projection here has all of the tenant's events up to a position; "0" is the beginning. false also
  /// where the tenant is not here. Errors: as parse_position.
  [[nodiscard]] base::Result<bool> has_reached(std::string_view name, std::string_view position,
                                               const base::TenantId& tenant) const;
  /// Behind all of the tenant's events that are committed now.
  [[nodiscard]] base::Result<record::Lsn> last_place(const base::TenantId& tenant) const;

  void submit(shard::Command command);
  /// Decides as the kernel and waits until that is durable, or refused. Not on the shard's thread.
  [[nodiscard]] base::Status decide_and_wait(
      base::TenantId tenant,
      std::function<base::Result<shard::Decision>(const lmdb::Txn&, shard::DecisionContext&)> decide);
  /// The same for a step of the tenant's move, which is decided also where the tenant is not.
  [[nodiscard]] base::Status move_and_wait(
      base::TenantId tenant,
      std::function<base::Result<shard::Decision>(const lmdb::Txn&, shard::DecisionContext&)> decide);

  /// Runs what reads files or scans on a thread beside the writer's. From start() on. False, and nothing done, where so
  /// much waits already; also when the shard stops, work that waits is destroyed undone.
  [[nodiscard]] bool run_aside(std::move_only_function<void()> work);

  /// The committed events of a tenant; a short read.
  [[nodiscard]] base::Result<EventPage> events(const base::TenantId& tenant, const EventRange& range);
  [[nodiscard]] EventFeed& feed() noexcept { return feed_; }
  [[nodiscard]] base::Uuid new_id() const { return base::Uuid::v7(clock_.now(), random_); }
  [[nodiscard]] shard::ShardMetrics metrics() const {
    return has_processor_ ? processor_->metrics() : shard::ShardMetrics{};
  }
  /// Why it does not take every command now, for clients; empty where it does. Also before start() and while it runs.
  [[nodiscard]] std::string why_not_ready() const;

 private:
  void add_span(shard::Command& command);
  Shard(const ShardPlace& place, log::EventLog& log, blob::BlobStore& blobs, const catalog::EventCatalog& catalog,
        const base::Clock& clock, base::Random& random);
  [[nodiscard]] base::Status open_projection(const ShardPlace& place);
  [[nodiscard]] shard::ShardListeners listeners();
  [[nodiscard]] base::Status submit_and_wait(shard::Command command);

  log::EventLog& log_;
  const base::Clock& clock_;
  base::Random& random_;
  ShardStores stores_;
  instance::DefinitionCache definitions_;
  instance::LargeData large_data_;
  const std::string node_;
  const Aside where_aside_;
  const shard::Ownership ownership_;
  const std::size_t append_bytes_;
  EventHistory history_;
  EventFeed feed_;
  ShardObserver observer_;
  std::atomic<std::uint64_t> traced_ = 0;  ///< commands that were given a span
  std::unique_ptr<shard::ShardProcessor> processor_;
  std::unique_ptr<http::Workers> aside_;  ///< a thread beside the writer's
  log::Lsn applied_at_open_;
  log::Lsn end_at_open_;  ///< of the log
  std::atomic<bool> has_processor_ = false;
  std::atomic<bool> is_serving_ = false;
  projection::CatchUp caught_up_;
  bool closed_ = false;
};

}  // namespace trv::node
