#include "tests/support/simulation/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "events/catalog/event_catalog.hpp"
#include "events/record/chain.hpp"
#include "events/record/payload.hpp"
#include "events/schema/ingest_generated.h"
#include "sdk/base/contract.hpp"
#include "tests/support/simulation/counting.hpp"
#include "tests/support/simulation/forgotten.hpp"
#include "tests/support/simulation/hasty_projector.hpp"
#include "tests/support/simulation/rows.hpp"

namespace trv::simulation {

struct Checks::Seen {
  std::string tenant;
  std::set<std::uint64_t> lsns;
};

void Checks::replay(log::ShardId shard, const Taken* from, const base::Digest& wanted, std::string what) const {
  const log::Lsn begins_at = from == nullptr ? log::Lsn(0) : from->at();
  what += fmt::format(" behind lsn {}", begins_at.value());
  const std::filesystem::path folder = folder_ / fmt::format("replay_of_{}", shard.value());
  std::filesystem::remove_all(folder);
  const auto extra = extra_ ? extra_() : nullptr;
  node::ShardStores replayed;
  projection::Projector* projector = extra.get();
  HastyProjector hasty(nullptr);
  if (bug_ == Bug::effect_before_durable) projector = &hasty;
  const auto opened = replayed.open({.id = shard,
                                     .folder = folder,
                                     .map_bytes = map_bytes,
                                     .snapshots = from == nullptr ? nullptr : from->snapshots(),
                                     .last_projector = projector});
  if (!opened) return history_.fail(opened.error().message());
  if (replayed.projection->applied().lsn != begins_at) return history_.fail(what + ": begins elsewhere");
  NodeLog log(log_, bug_);
  const auto caught_up = replayed.projection->catch_up(log);
  if (!caught_up) return history_.fail(what + ": " + caught_up.error().message());
  if (caught_up->rebuilt) return history_.fail(what + ": was rebuilt because " + caught_up->reason);
  if (good(replayed.projection->content_digest()) != wanted) history_.fail(what + " gives another state");
}

void Checks::count(const catalog::EventCatalog& catalog, const record::RecordView& event) const {
  ++history_.records_of[std::string(event.type())];
  // A call is counted when it begins: its outcome names the call, not the task.
  const bool begins_call = event.type() == shard::effect_requested_type;
  const bool ends_task = event.type() == "trv.task.completed" || event.type() == "trv.task.faulted";
  if (!begins_call && !ends_task) return;
  const std::string payload = good(catalog.to_json(event.type(), event.payload()));
  const std::string_view field = begins_call ? "\"task\":\"" : "\"reference\":\"";
  const std::size_t begin = payload.find(field);
  if (begin == std::string::npos) return;
  const std::string_view reference = std::string_view(payload).substr(
      begin + field.size(), payload.find('"', begin + field.size()) - begin - field.size());
  const std::string_view name = reference.substr(reference.rfind('/') + 1);
  ++history_.tasks_of[std::string(name.substr(0, name.find_first_of("0123456789_")))];
}

LogSays Checks::log(const World& state, const std::vector<const World*>& asked) const {
  const log::ShardId shard = state.shard();
  LogSays says;
  std::map<std::string, Seen> commands;
  std::set<std::string> effects;    // keys of those without an outcome
  std::set<std::string> requested;  // keys of all
  const catalog::EventCatalog catalog = catalog::EventCatalog::make();
  record::ChainVerifier chain(shard);
  Forgotten forgotten;
  const std::vector<base::Bytes> wanted = counting(log_, shard, history_.torn);
  const auto reader = good(log_.read(shard, log::Lsn(1)));
  base::Timestamp time;
  for (;;) {
    const auto stored = good(reader->next(base::Duration(0)));
    if (!stored) break;
    const auto event = good(record::RecordView::over(stored->bytes));
    if (const auto accepted = chain.accept(event); !accepted) {
      history_.fail(accepted.error().message());
      return says;
    }
    const std::size_t index = event.lsn().value() - 1;
    if (index >= wanted.size() || !std::ranges::equal(stored->bytes, wanted[index]))
      history_.fail(fmt::format("a reader gives lsn {}, which does not count", event.lsn().value()));
    if (event.time() < time) history_.fail(fmt::format("time runs backwards at lsn {}", event.lsn().value()));
    time = event.time();
    if (const auto id = event.correlation_id()) {
      Seen& seen = commands[id->to_string()];
      if (seen.tenant.empty()) seen.tenant = event.tenant();
      if (seen.tenant != event.tenant()) history_.fail(fmt::format("lsn {} is of another tenant", event.lsn().value()));
      seen.lsns.insert(event.lsn().value());
    }
    const bool has_ended = event.type() == shard::effect_succeeded_type || event.type() == shard::effect_failed_type;
    const bool is_requested = event.type() == shard::effect_requested_type;
    if (has_ended || is_requested || event.type() == shard::effect_released_type) {
      const std::string payload = good(catalog.to_json(event.type(), event.payload()));
      const std::string key = payload.substr(0, payload.find(','));  // comes first
      if (is_requested && !requested.insert(key).second) history_.fail("two effects have the same key: " + key);
      if (!has_ended) effects.insert(key);
      if (has_ended && effects.erase(key) == 0) history_.fail("an outcome of no effect, or a second one: " + payload);
    }
    if (event.type() == ingest::received_type) {
      const auto received = record::payload_of<schema::ingest::EventReceived>(event);
      TRV_ASSERT(received.has_value());
      const std::string_view source = record::text_of((*received)->source());
      says.received[fmt::format("{} {}", source, record::text_of((*received)->id()))].push_back(event.lsn());
    }
    forgotten.take(event);
    count(catalog, event);
    if (event.type() == "trv.instance.started") ++history_.instances;
    if (is_requested) ++history_.effects;
    ++history_.records;
  }
  if (chain.last().value() != wanted.size())
    history_.fail(fmt::format("readers give {} records, {} count", chain.last().value(), wanted.size()));
  for (const World* world : asked) {
    for (const auto& sent : world->sent) answer(*sent, commands[sent->correlation.to_string()]);
  }
  forgotten.end(state.time(), good(rows_of(state.read())));
  for (std::string& problem : forgotten.problems) history_.fail(std::move(problem));
  history_.instances_forgotten += forgotten.instances;
  history_.events_forgotten += forgotten.events;
  says.last_hash = chain.last_hash();
  return says;
}

void Checks::answer(const Sent& sent, const Seen& seen) const {
  if (sent.outcome) {
    ++history_.acknowledged;
    for (std::uint64_t lsn = sent.outcome->first.value(); lsn <= sent.outcome->last.value(); ++lsn) {
      if (!seen.lsns.contains(lsn)) history_.fail(fmt::format("lsn {} was acknowledged and is not in the log", lsn));
    }
    if (!seen.lsns.empty() && seen.tenant != sent.tenant.value())
      history_.fail("a command led to another tenant's record");
    return;
  }
  if (sent.outcome.error().code() == base::ErrorCode::lost) {
    ++history_.lost;
    return;
  }
  ++history_.refused;
  if (sent.outcome.error().code() == base::ErrorCode::internal) history_.fail(sent.outcome.error().message());
  if (!seen.lsns.empty())
    history_.fail("a command that was refused led to a record: " + sent.outcome.error().message());
}

void Checks::tenants(const World& state, const std::vector<std::string>& tenants) const {
  Rows together;
  for (const std::string& of : tenants) {
    for (auto& [key, value] : good(rows_of_tenant(log_, state.shard(), of, folder_ / "tenant"))) {
      if (!together.emplace(key, std::move(value)).second)
        history_.fail(fmt::format("two tenants share a row of {}", key.first));
    }
  }
  const Rows all = good(rows_of(state.read()));
  if (extra_) return;
  if (all.size() != together.size())
    history_.fail(fmt::format("{} rows, but {} by tenant", all.size(), together.size()));
  for (const auto& [key, value] : all) {
    const auto at = together.find(key);
    if (at == together.end() || at->second != value)
      return history_.fail(fmt::format("a row of {} depends on another tenant's records", key.first));
  }
}

void Checks::all_ended(const World& state, const std::vector<std::string>& tenants) const {
  const lmdb::ReadTxn txn = state.read();
  using instance::Status;
  for (const std::string& of : tenants) {
    for (const Status status : {Status::running, Status::suspended, Status::compensating}) {
      const auto all = good(instance::InstanceStore(state.stores().workflows.tables())
                                .list(txn, base::TenantId(of), {.status = status}, {}, 1000));
      for (const auto& one : all.items) {
        history_.fail(fmt::format("instance {} of {} is {} for ever, at {}", one.id.to_string(), of,
                                  instance::to_string(status), one.current_task));
      }
    }
  }
}

}  // namespace trv::simulation
