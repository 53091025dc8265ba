#include "kernel/daemon/left_over.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "kernel/tenancy/plugin_blobs.hpp"
#include "kernel/tenancy/plugin_data.hpp"
#include "sdk/base/contract.hpp"

namespace trv::daemon {
namespace {

using base::Result;
using base::Status;

constexpr std::size_t page = 500;
constexpr auto look_interval = std::chrono::seconds(1);
constexpr auto sweep_interval = std::chrono::hours(24);
constexpr auto soon = std::chrono::seconds(10);
constexpr auto later = std::chrono::minutes(10);
constexpr auto look_pause = std::chrono::milliseconds(50);
constexpr int looks_max = 200;

// True: it was asked to stop meanwhile.
bool pause(const std::stop_token& stop, base::Duration time) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any ends;
  ends.wait_for(lock, stop, time, [] { return false; });
  return stop.stop_requested();
}

base::Error not_now(std::string why) {
  return {base::ErrorCode::cancelled, std::move(why)};
}

}  // namespace

Result<std::set<egress::SecretReference>> secrets_of(const node::Shard& shard,
                                                     const std::vector<tenancy::Tenant>& tenants) {
  std::set<egress::SecretReference> named;
  TRV_TRY_ASSIGN(const auto state, shard.begin_read());
  for (const tenancy::Tenant& tenant : tenants) {
    for (std::string after;;) {
      TRV_TRY_ASSIGN(const auto some, shard.tenancy().connections(state, tenant.id, after, page));
      for (const tenancy::Connection& connection : some) {
        after = connection.name;
        named.insert({tenant.id, connection.secret});
        named.insert({tenant.id, connection.webhook_secret});
      }
      if (some.size() < page) break;
    }
    for (std::string after;;) {
      TRV_TRY_ASSIGN(const auto some, shard.tenancy().webhooks(state, tenant.id, after, page));
      for (const tenancy::Webhook& webhook : some) {
        after = webhook.name;
        if (!webhook.secret.empty()) named.insert({tenant.id, webhook.secret});
      }
      if (some.size() < page) break;
    }
  }
  return named;
}

Status await_log_ends(const node::Node& node, const std::stop_token& stop) {
  for (const auto& shard : node.shards()) {
    if (!shard->is_serving()) return base::fail(not_now(shard->why_not_ready()));
    TRV_TRY_ASSIGN(const log::Bounds bounds, shard->log().bounds(shard->id()));
    for (int looks = 0;; ++looks) {
      TRV_TRY_ASSIGN(const projection::Applied applied, shard->projection().committed());
      if (applied.lsn >= bounds.last) break;
      if (looks == looks_max || pause(stop, look_pause)) {
        return base::fail(not_now(fmt::format("shard {} is at record {}, its log at {}", shard->id().value(),
                                              applied.lsn.value(), bounds.last.value())));
      }
    }
  }
  return {};
}

void LeftOver::start() {
  TRV_EXPECTS(!thread_.joinable() && stores_.may_sweep != nullptr && stores_.report != nullptr);
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void LeftOver::run(const std::stop_token& stop) {
  std::optional<base::Duration> next;
  do {
    const base::Duration now = stores_.clock.monotonic();
    if ((next && now < *next) || !stores_.may_sweep()) continue;
    const Status swept = sweep(stop);
    const bool comes_soon = !swept && swept.error().code() == base::ErrorCode::cancelled;
    next = now + (swept ? base::Duration(sweep_interval) : comes_soon ? base::Duration(soon) : base::Duration(later));
    if (swept || comes_soon) continue;
    stores_.report(fmt::format("files that no record names were not removed: {}; tried again in {} minutes",
                               swept.error().message(), later.count()));
  } while (!pause(stop, look_interval));
}

Status LeftOver::sweep(const std::stop_token& stop) {
  TRV_TRY(stores_.blobs.remove_unfinished());
  TRV_TRY(stores_.archives.remove_unfinished());
  TRV_TRY(stores_.snapshots.remove_left_over());
  TRV_TRY(sweep_plugin_data(stop));
  TRV_TRY(sweep_secrets(stop));
  return sweep_blobs(stop);
}

// Of the shards that are owned here; those of other nodes go when this node owns them and sweeps.
Status LeftOver::sweep_plugin_data(const std::stop_token& stop) {
  TRV_TRY(await_log_ends(stores_.node, stop));
  TRV_TRY_ASSIGN(const std::vector<tenancy::Tenant> tenants, stores_.node.tenants());
  for (const tenancy::Tenant& tenant : tenants) {
    node::Shard& shard = *stores_.node.shards()[tenant.shard.value()];
    if (!shard.is_owned()) continue;
    TRV_TRY_ASSIGN(const std::set<std::string> gone, uninstalled_with_data(shard, tenant.id));
    for (const std::string& plugin : gone) {
      TRV_TRY(shard.decide_and_wait(
          tenant.id, [&](const lmdb::Txn& state, shard::DecisionContext& context) -> Result<shard::Decision> {
            TRV_TRY_ASSIGN(shard::Decision decision, tenancy::decide(shard.plugin_data(), state, context,
                                                                     tenancy::ErasePluginData{.plugin = plugin}));
            TRV_TRY_ASSIGN(shard::Decision blobs, tenancy::decide(shard.plugin_blobs(), state, context,
                                                                  tenancy::ErasePluginBlob{.plugin = plugin}));
            std::ranges::move(blobs.events, std::back_inserter(decision.events));
            return decision;
          }));
      stores_.report(fmt::format("what plugin '{}' kept for tenant '{}' was erased: it is not installed any more",
                                 plugin, tenant.id.value()));
    }
  }
  return {};
}

Result<std::set<std::string>> LeftOver::uninstalled_with_data(const node::Shard& shard,
                                                              const base::TenantId& tenant) const {
  TRV_TRY_ASSIGN(const auto state, shard.begin_read());
  TRV_TRY_ASSIGN(const std::vector<std::string> with_values, shard.plugin_data().plugins(state, tenant));
  TRV_TRY_ASSIGN(const std::vector<std::string> with_blobs, shard.plugin_blobs().plugins(state, tenant));
  std::set<std::string> gone(with_values.begin(), with_values.end());
  gone.insert(with_blobs.begin(), with_blobs.end());
  const node::Shard& platform = stores_.node.platform();
  TRV_TRY_ASSIGN(const auto installed, platform.begin_read());
  for (auto plugin = gone.begin(); plugin != gone.end();) {
    TRV_TRY_ASSIGN(const auto enabled, shard.tenancy().current_version(state, tenant, *plugin));
    // Also one that is pending: a version in the making is replaced.
    TRV_TRY_ASSIGN(const auto packages, platform.tenancy().packages(installed, *plugin + "/", 1));
    const bool is_there = enabled || (!packages.empty() && packages.front().plugin == *plugin);
    plugin = is_there ? gone.erase(plugin) : std::next(plugin);
  }
  return gone;
}

// Twice, because a tenant may move meanwhile from a shard that is read later to one that was read before. Of every
// shard, because the rows of a tenant that moves are in two.
Status LeftOver::sweep_secrets(const std::stop_token& stop) {
  std::set<egress::SecretReference> named;
  for (int times = 0; times < 2; ++times) {
    TRV_TRY(await_log_ends(stores_.node, stop));
    TRV_TRY_ASSIGN(const std::vector<tenancy::Tenant> tenants, stores_.node.tenants());
    for (const auto& shard : stores_.node.shards()) {
      TRV_TRY_ASSIGN(auto some, secrets_of(*shard, tenants));
      named.merge(some);
    }
  }
  if (!stores_.may_sweep()) return base::fail(not_now("another process sweeps, or a backup runs"));
  TRV_TRY_ASSIGN(const std::size_t removed, stores_.secrets.remove_unreferenced(named, stores_.clock.now()));
  if (removed > 0) stores_.report(fmt::format("{} secrets that no connection or webhook names were removed", removed));
  return {};
}

// Twice and of every shard, as secrets.
Result<std::set<base::Digest>> LeftOver::kept_by_plugins(const std::stop_token& stop) const {
  std::set<base::Digest> kept;
  for (int times = 0; times < 2; ++times) {
    TRV_TRY(await_log_ends(stores_.node, stop));
    for (const auto& shard : stores_.node.shards()) {
      TRV_TRY_ASSIGN(const auto state, shard->begin_read());
      TRV_TRY(shard->plugin_blobs().add_named(state, kept));
    }
  }
  return kept;
}

// Of events, a shard names for ever what it once named. What will be named is put again first, and is young.
Status LeftOver::sweep_blobs(const std::stop_token& stop) {
  TRV_TRY_ASSIGN(const std::set<base::Digest> kept, kept_by_plugins(stop));
  std::optional<base::Digest> after;
  for (std::size_t count = page; count == page;) {
    TRV_TRY_ASSIGN(const std::vector<base::Digest> some, stores_.blobs.list(after, page));
    count = some.size();
    for (const base::Digest& digest : some) {
      after = digest;
      TRV_TRY_ASSIGN(const bool stays, is_named(digest));
      if (stays || kept.contains(digest)) continue;
      if (stop.stop_requested() || !stores_.may_sweep()) {
        return base::fail(not_now("another process sweeps, or a backup runs"));
      }
      TRV_TRY(stores_.blobs.remove(digest));
    }
  }
  return {};
}

Result<bool> LeftOver::is_named(const base::Digest& blob) const {
  for (const auto& shard : stores_.node.shards()) {
    TRV_TRY_ASSIGN(const auto state, shard->begin_read());
    TRV_TRY_ASSIGN(const bool is_named_here, shard->ingest().names_blob(state, blob));
    if (is_named_here) return true;
  }
  return false;
}

}  // namespace trv::daemon
