#include "kernel/node/shard.hpp"

#include <fmt/format.h>

#include <future>
#include <utility>

#include "kernel/node/position.hpp"
#include "sdk/base/contract.hpp"

namespace trv::node {

namespace {

/// What waits for the thread beside the writer's; more is refused.
constexpr std::size_t aside_max = 4096;

}  // namespace

Shard::Shard(const ShardPlace& place, log::EventLog& log, blob::BlobStore& blobs, const catalog::EventCatalog& catalog,
             const base::Clock& clock, base::Random& random)
    : log_(log),
      clock_(clock),
      random_(random),
      large_data_(blobs),
      node_(place.node),
      where_aside_(place.aside),
      ownership_(place.ownership),
      append_bytes_(place.append_bytes),
      history_(log, catalog),
      feed_([this](const auto& tenant, const EventRange& range) { return events(tenant, range); },
            [this](log::ShardId to, Subscription subscription, http::EventStream stream) {
              if (observer_.hand_over) observer_.hand_over(to, std::move(subscription), std::move(stream));
            }) {}

Shard::~Shard() {
  (void)stop();
}

base::Result<std::unique_ptr<Shard>> Shard::open(const ShardPlace& place, log::EventLog& log, blob::BlobStore& blobs,
                                                 const catalog::EventCatalog& catalog, const base::Clock& clock,
                                                 base::Random& random) {
  std::unique_ptr<Shard> shard(new Shard(place, log, blobs, catalog, clock, random));
  TRV_TRY(shard->open_projection(place));
  TRV_ENSURES(shard->id() == place.id);
  return shard;
}

base::Status Shard::open_projection(const ShardPlace& place) {
  TRV_TRY(stores_.open(place));
  TRV_TRY_ASSIGN(const log::Bounds stored, log_.bounds(place.id));
  const log::Lsn applied = stores_.projection->applied().lsn;
  applied_at_open_ = applied;
  end_at_open_ = stored.last;
  if (applied <= stored.last) return {};
  return base::fail(base::ErrorCode::corrupt,
                    fmt::format("the log of shard {} ends with record {}, but {} was made from {} records: the log was "
                                "lost, or is an older copy. Put the right one back. To go on with what this log holds, "
                                "and lose what came after it, remove {}",
                                place.id.value(), stored.last.value(), place.folder.string(), applied.value(),
                                place.folder.string()));
}

base::Status Shard::start(ShardObserver observer, const std::stop_token& stop) {
  TRV_EXPECTS(processor_ == nullptr && stores_.projection != nullptr);
  TRV_EXPECTS(observer.failed != nullptr);
  observer_ = std::move(observer);
  shard::ShardOptions options;
  options.shard = id();
  options.node = node_;
  options.ownership = ownership_;
  options.append_bytes = append_bytes_;
  if (where_aside_ == Aside::own_thread) options.claim_wait = std::chrono::hours(24);
  processor_ = std::make_unique<shard::ShardProcessor>(options, log_, *stores_.projection, stores_.timers, clock_,
                                                       random_, listeners());
  has_processor_ = true;
  if (where_aside_ == Aside::another_thread) aside_ = std::make_unique<http::Workers>(1, aside_max);
  TRV_TRY_ASSIGN(caught_up_, processor_->start(stop));
  TRV_ENSURES(caught_up_.to >= caught_up_.from);
  const projection::OpenReport& opened = stores_.projection->open_report();
  const bool is_restored = opened.kind == projection::OpenReport::Kind::restored;
  if (!caught_up_.rebuilt) caught_up_.reason = is_restored && opened.reason.empty() ? "it was missing" : opened.reason;
  if (!caught_up_.reason.empty()) {
    const bool has_begin = caught_up_.from > log::Lsn(0);
    const std::string begin = fmt::format("the snapshot at record {}", caught_up_.from.value());
    caught_up_.reason = fmt::format("from {}: {}", has_begin ? begin : "the log", caught_up_.reason);
  }
  feed_.start();
  return {};
}

base::Status Shard::serve() {
  TRV_EXPECTS(has_processor_ && !is_serving_);
  if (observer_.prepare) TRV_TRY(observer_.prepare());
  is_serving_ = true;
  if (observer_.serves) observer_.serves();
  return {};
}

std::string Shard::why_not_ready() const {
  if (metrics().catch_up_lsn == 0 && !is_serving_) {
    return fmt::format("shard {} catches up: {} of {} records are applied", id().value(), applied_at_open_.value(),
                       end_at_open_.value());
  }
  std::string reason = processor_->why_not_ready();
  if (!reason.empty() || is_serving_) return reason;
  return fmt::format("shard {} is at the end of its log and is being made ready", id().value());
}

base::Status Shard::stop() {
  feed_.stop();
  if (processor_) processor_->stop();
  aside_.reset();
  if (!stores_.projection || std::exchange(closed_, true)) return {};
  return stores_.projection->close();
}

bool Shard::run_aside(std::move_only_function<void()> work) {
  if (where_aside_ == Aside::another_thread) return aside_->run(std::move(work));
  work();
  return true;
}

base::Result<lmdb::ReadTxn> Shard::begin_read() const {
  auto txn = stores_.projection->begin_read();
  if (txn || txn.error().code() == base::ErrorCode::corrupt) return txn;
  return base::fail(base::ErrorCode::internal, txn.error().message());
}

base::Result<EventPage> Shard::events(const base::TenantId& tenant, const EventRange& range) {
  TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, begin_read());
  TRV_TRY_ASSIGN(const auto residency, residence().find(txn, tenant));
  if (residency && residency->presence == shard::Presence::arriving) return EventPage{};
  TRV_TRY_ASSIGN(const record::Stays its_stays, stays(txn, tenant));
  TRV_TRY_ASSIGN(EventPage page, history_.read(txn, trail(), tenant, its_stays, range));
  const bool has_left =
      residency && (residency->presence == shard::Presence::departed || residency->presence == shard::Presence::gone);
  if (has_left) page.moved = MovedTo{.shard = residency->other, .move = residency->move};
  return page;
}

base::Result<record::Lsn> Shard::place_of(std::string_view name, std::string_view position,
                                          const base::TenantId& tenant) const {
  TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, begin_read());
  TRV_TRY_ASSIGN(const record::Stays its_stays, stays(txn, tenant));
  auto place = parse_position(name, position, tenant, its_stays);
  TRV_TRY_ASSIGN(const auto residency, residence().find(txn, tenant));
  if (place || !residency || residency->presence == shard::Presence::here) return place;
  return base::fail(base::ErrorCode::unavailable,
                    fmt::format("tenant '{}' moves to another shard; ask again in a moment", tenant.value()));
}

base::Result<bool> Shard::has_reached(std::string_view name, std::string_view position,
                                      const base::TenantId& tenant) const {
  const log::Lsn applied(metrics().applied_lsn);  // before the transaction, which has no less
  TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, begin_read());
  TRV_TRY_ASSIGN(const auto residency, residence().find(txn, tenant));
  if (residency && residency->presence != shard::Presence::here) return false;
  if (position == "0") return true;
  TRV_TRY_ASSIGN(const record::Stays its_stays, stays(txn, tenant));
  TRV_TRY_ASSIGN(const record::Lsn place, parse_position(name, position, tenant, its_stays));
  return place <= its_stays.place(applied);
}

base::Result<record::Lsn> Shard::last_place(const base::TenantId& tenant) const {
  TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, begin_read());
  TRV_TRY_ASSIGN(const record::Stays its_stays, stays(txn, tenant));
  return its_stays.place(log::Lsn(metrics().applied_lsn));
}

base::Status Shard::decide_and_wait(
    base::TenantId tenant,
    std::function<base::Result<shard::Decision>(const lmdb::Txn&, shard::DecisionContext&)> decide) {
  TRV_EXPECTS(decide != nullptr);
  shard::Command command;
  command.tenant = std::move(tenant);
  command.decide = std::move(decide);
  return submit_and_wait(std::move(command));
}

base::Status Shard::move_and_wait(
    base::TenantId tenant,
    std::function<base::Result<shard::Decision>(const lmdb::Txn&, shard::DecisionContext&)> decide) {
  TRV_EXPECTS(decide != nullptr);
  shard::Command command;
  command.tenant = std::move(tenant);
  command.decide = std::move(decide);
  command.moves_tenant = true;
  return submit_and_wait(std::move(command));
}

void Shard::submit(shard::Command command) {
  // One that waited for something and comes again has its span already.
  if (observer_.spans && command.preparations == 0) add_span(command);
  processor_->submit(std::move(command));
}

// What the command leads to is a part of it: its events, and their effects, have its place in the trace.
void Shard::add_span(shard::Command& command) {
  const auto context = trace::Context::parse(command.traceparent);
  if (!context || !context->is_sampled) return;
  trace::Span span{
      .context = context->child(fmt::format("command {} {} {}", id().value(), clock_.now().ns(), ++traced_)),
      .parent = context->span,
      .name = "command",
      .began = clock_.now(),
      .attributes = {{"tenant", command.tenant.value()}}};
  span.attributes.add("shard", id().value());
  command.traceparent = span.context.to_traceparent();
  command.done = [this, span = std::move(span),
                  done = std::move(command.done)](const base::Result<shard::Applied>& outcome) mutable {
    span.ended = clock_.now();
    span.is_failed = !outcome;
    if (!outcome) {
      span.problem = base::to_string(outcome.error().code());
    } else if (outcome->first <= outcome->last) {
      span.attributes.add("first_record", outcome->first.value());
      span.attributes.add("last_record", outcome->last.value());
    }
    observer_.spans(std::move(span));
    done(outcome);
  };
}

base::Status Shard::submit_and_wait(shard::Command command) {
  TRV_EXPECTS(processor_ != nullptr);
  std::promise<base::Status> promise;
  command.actor = "kernel";
  command.done = [&promise](const base::Result<shard::Applied>& outcome) {
    promise.set_value(outcome ? base::Status{} : base::Status(base::fail(outcome.error())));
  };
  submit(std::move(command));
  return promise.get_future().get();
}

shard::ShardListeners Shard::listeners() {
  shard::ShardListeners listeners;
  listeners.effects = observer_.effects;
  listeners.taken_over = observer_.taken_over;
  listeners.ceded = observer_.ceded;
  listeners.failed = observer_.failed;
  listeners.room = observer_.room;
  listeners.check_here = [this](const lmdb::Txn& state, const base::TenantId& tenant) {
    return stores_.residence.check_here(state, tenant);
  };
  listeners.claimed = observer_.claimed;
  listeners.committed = [this](log::Lsn last) {
    feed_.wake();
    if (observer_.committed) observer_.committed(id(), last);
  };
  listeners.prepare = [this](shard::Command command, shard::Preparation preparation) {
    const auto held = std::make_shared<shard::Command>(std::move(command));
    const bool is_taken = run_aside([this, held, preparation = std::move(preparation)]() mutable {
      if (const auto state = begin_read()) preparation(*state);
      submit(std::move(*held));
    });
    if (is_taken) return;
    held->done(
        base::fail(base::ErrorCode::unavailable,
                   fmt::format("{} commands wait for their definitions already; ask again in a moment", aside_max)));
  };
  listeners.timer = [this](const shard::Timer& timer) {
    shard::Command command = timer.owner == retention::timer_owner
                                 ? retention::timer_command(timer, tenancy(), workflows(), ingest())
                                 : instance::timer_command(decision_state(), timer);
    command.done = [this, owner = timer.owner](const base::Result<shard::Applied>& outcome) {
      if (!outcome) observer_.failed(base::Error(outcome.error()).in("timer of " + owner));
    };
    return command;
  };
  return listeners;
}

}  // namespace trv::node
