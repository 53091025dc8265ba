#include "tests/support/aftermath/aftermath.hpp"

#include <boost/json.hpp>

#include <memory>
#include <utility>

#include "audit/export/folder.hpp"
#include "audit/note/key.hpp"
#include "audit/trail/trail.hpp"
#include "audit/verify/verify.hpp"
#include "events/catalog/event_catalog.hpp"
#include "events/log/lmdb_event_log.hpp"
#include "events/record/chain.hpp"
#include "kernel/node/shard_stores.hpp"
#include "sdk/base/file.hpp"

namespace trv::aftermath {
namespace {

constexpr std::size_t pem_bytes_max = 16'384;
constexpr std::string_view audit_origin = "travertine.local";

base::Result<std::unique_ptr<log::LmdbEventLog>> open_log(const std::filesystem::path& data_folder) {
  return log::LmdbEventLog::open(data_folder / "log");
}

/// Every shard that the data folder has a projection of.
std::vector<log::ShardId> shards_of(const std::filesystem::path& data_folder) {
  std::vector<log::ShardId> shards;
  while (std::filesystem::exists(data_folder / "projection" / std::to_string(shards.size()))) {
    shards.emplace_back(shards.size());
  }
  return shards;
}
std::filesystem::path projection_of(const std::filesystem::path& data_folder, log::ShardId shard) {
  return data_folder / "projection" / std::to_string(shard.value());
}

std::string text_of(const boost::json::value& payload, std::string_view name) {
  const boost::json::value* member = payload.as_object().if_contains(name);
  return member != nullptr && member->is_string() ? std::string(member->get_string()) : std::string();
}

void take(LogFacts& facts, std::map<std::string, std::string>& deliveries, const record::RecordView& event,
          const boost::json::value& payload) {
  const std::string_view type = event.type();
  const std::string stream(event.stream_id());
  if (type == "trv.event.received") {
    ++facts.received[text_of(payload, "id")];
    deliveries[event.event_id().to_string()] = text_of(payload, "id");
  } else if (type == "trv.instance.started") {
    InstanceFacts& instance = facts.instances[stream];
    ++instance.started;
    if (const auto cause = event.causation_id()) instance.delivery = deliveries[cause->to_string()];
  } else if (type == "trv.instance.completed") {
    ++facts.instances[stream].completed;
  } else if (type == "trv.instance.faulted") {
    ++facts.instances[stream].faulted;
  } else if (type == "trv.instance.cancelled") {
    ++facts.instances[stream].cancelled;
  } else if (type == "trv.effect.requested") {
    EffectFacts& effect = facts.effects[text_of(payload, "key")];
    ++effect.requested;
    effect.instance = stream;
    effect.task = text_of(payload, "task");
  } else if (type == "trv.effect.succeeded") {
    ++facts.effects[text_of(payload, "key")].succeeded;
  } else if (type == "trv.effect.failed") {
    ++facts.effects[text_of(payload, "key")].failed;
  }
}

/// The tenant's records in one shard; the chain of all of them is verified.
base::Status read_shard(log::EventLog& log, log::ShardId shard, const std::string& tenant, LogFacts& facts) {
  TRV_TRY_ASSIGN(const auto reader, log.read(shard, log::Lsn(1)));
  const catalog::EventCatalog catalog = catalog::EventCatalog::make();
  record::ChainVerifier chain(shard);
  std::map<std::string, std::string> deliveries;  // by the id of the record that took them
  for (;;) {
    TRV_TRY_ASSIGN(const auto stored, reader->next(base::Duration(0)));
    if (!stored) break;
    TRV_TRY_ASSIGN(const auto event, record::RecordView::over(stored->bytes));
    TRV_TRY(chain.accept(event));
    // Rows that a move copies or erases are not the tenant's events.
    if (event.tenant() != tenant || event.type().starts_with(record::rows_types)) continue;
    ++facts.records;
    TRV_TRY_ASSIGN(const std::string json, catalog.to_json(event.type(), event.payload()));
    take(facts, deliveries, event, boost::json::parse(json));
  }
  facts.last_lsn += chain.last().value();
  return {};
}

base::Status replay_shard(log::EventLog& log, log::ShardId shard, const std::filesystem::path& live_folder,
                          const std::filesystem::path& scratch, Replayed& replayed) {
  node::ShardStores live;
  node::ShardStores rebuilt;
  TRV_TRY(live.open({.id = shard, .folder = live_folder}));
  TRV_TRY(rebuilt.open({.id = shard, .folder = scratch}));
  TRV_TRY_ASSIGN(const auto caught_up, live.projection->catch_up(log));
  TRV_TRY(rebuilt.projection->catch_up(log));
  const bool reused = live.projection->open_report().kind == projection::OpenReport::Kind::reused && !caught_up.rebuilt;
  replayed.reused = replayed.reused && reused;
  const auto add = [](base::Digest& sum, const base::Digest& digest) {
    sum = base::sha256(base::as_bytes(base::to_hex(sum) + base::to_hex(digest)));
  };
  TRV_TRY_ASSIGN(const base::Digest of_live, live.projection->content_digest());
  TRV_TRY_ASSIGN(const base::Digest of_rebuilt, rebuilt.projection->content_digest());
  add(replayed.live, of_live);
  add(replayed.rebuilt, of_rebuilt);
  return {};
}

}  // namespace

base::Result<LogFacts> read_log(const std::filesystem::path& data_folder, const std::string& tenant) {
  TRV_TRY_ASSIGN(const auto log, open_log(data_folder));
  LogFacts facts;
  for (const log::ShardId shard : shards_of(data_folder)) TRV_TRY(read_shard(*log, shard, tenant, facts));
  return facts;
}

base::Result<Replayed> replay(const std::filesystem::path& data_folder, const std::filesystem::path& scratch) {
  std::filesystem::remove_all(scratch);
  TRV_TRY_ASSIGN(const auto log, open_log(data_folder));
  Replayed replayed{.reused = true};
  for (const log::ShardId shard : shards_of(data_folder)) {
    TRV_TRY(replay_shard(*log, shard, projection_of(data_folder, shard), scratch / std::to_string(shard.value()),
                         replayed));
  }
  return replayed;
}

base::Result<Audited> audit(const std::filesystem::path& data_folder, const std::string& tenant,
                            const std::filesystem::path& scratch, std::string_view earlier) {
  std::filesystem::remove_all(scratch);
  const std::string origin = std::string(audit_origin) + "/t/" + tenant;
  TRV_TRY_ASSIGN(const base::Bytes pem, base::read_file(data_folder / "keys" / "audit.pem", pem_bytes_max));
  TRV_TRY_ASSIGN(const note::SigningKey key, note::SigningKey::from_pem(origin, base::as_text(pem)));
  for (const log::ShardId shard : shards_of(data_folder)) {
    node::ShardStores live;
    TRV_TRY(live.open({.id = shard, .folder = projection_of(data_folder, shard)}));
    TRV_TRY_ASSIGN(const auto txn, live.projection->begin_read());
    TRV_TRY_ASSIGN(const bool is_here, live.tenancy.is_here(txn, base::TenantId(tenant)));
    TRV_TRY_ASSIGN(const auto residency, live.residence.find(txn, base::TenantId(tenant)));
    if (!is_here || (residency && residency->presence != shard::Presence::here)) continue;
    TRV_TRY_ASSIGN(const auto log, open_log(data_folder));
    TRV_TRY_ASSIGN(record::Stays stays, live.residence.stays(txn, shard, base::TenantId(tenant)));
    log::RecordLookup records(*log, std::move(stays));
    TRV_TRY_ASSIGN(const auto trail,
                   trail::Trail::open(txn, live.trail.tables(), base::TenantId(tenant), key, records));
    TRV_TRY_ASSIGN(const auto exported, exporting::write_export(scratch, trail));
    TRV_TRY_ASSIGN(const auto report, earlier.empty() ? verify::verify_folder(scratch, key.verifier())
                                                      : verify::verify_growth(earlier, scratch, key.verifier()));
    Audited audited;
    audited.entries = report.entries;
    if (!report.holds() || report.entries != exported.size) audited.problems = report.to_text();
    return audited;
  }
  return base::fail(base::ErrorCode::not_found, "no shard has the tenant " + tenant);
}

}  // namespace trv::aftermath
