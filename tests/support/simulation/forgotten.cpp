#include "tests/support/simulation/forgotten.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "events/record/payload.hpp"
#include "events/schema/tenancy_generated.h"
#include "kernel/workflow/instance/events.hpp"

namespace trv::simulation {
namespace {

constexpr std::size_t id_bytes = 16;
/// What expires within an hour is forgotten together, and the clocks jump by ten minutes.
constexpr auto late_max = std::chrono::hours(1) + std::chrono::minutes(20);

}  // namespace

base::Result<shard::Decision> forgetting(const shard::DecisionContext& context, const base::Uuid& instance) {
  flatbuffers::FlatBufferBuilder builder;
  const auto ids = builder.CreateVector(instance.bytes().data(), instance.bytes().size());
  shard::Decision decision;
  decision.events.push_back(
      shard::draft(context, "tenant", context.tenant.value(), tenancy::retention_applied_type,
                   record::finish(builder, schema::tenancy::CreateRetentionApplied(builder, ids, 0, 0))));
  return decision;
}

void Forgotten::take(const record::RecordView& event) {
  const std::string_view type = event.type();
  const std::string tenant(event.tenant());
  if (type == tenancy::retention_set_type) {
    const auto set = record::payload_of<schema::tenancy::RetentionSet>(event);
    if (set) settings_[tenant] = {(*set)->instances_days(), (*set)->events_days()};
  } else if (type == tenancy::retention_applied_type) {
    forget(event);
  } else if (event.stream_kind() == "instance") {
    Instance& instance = instances_[{tenant, *base::Uuid::parse(event.stream_id())}];
    if (instance.is_forgotten) problems.push_back(fmt::format("instance {} goes on, forgotten", event.stream_id()));
    const bool ends = type == instance::instance_completed_type || type == instance::instance_faulted_type ||
                      type == instance::instance_cancelled_type;
    if (ends) instance.ended = event.time();
  }
}

void Forgotten::forget(const record::RecordView& event) {
  const auto applied = record::payload_of<schema::tenancy::RetentionApplied>(event);
  if (!applied) return problems.push_back(applied.error().message());
  if (const auto* keys = (*applied)->events()) events += keys->size() / id_bytes;
  const auto* ids = (*applied)->instances();
  for (std::size_t at = 0; ids != nullptr && at + id_bytes <= ids->size(); at += id_bytes) {
    std::array<std::uint8_t, id_bytes> bytes{};
    std::copy_n(ids->data() + at, id_bytes, bytes.begin());
    const base::Uuid id(bytes);
    const std::string tenant(event.tenant());
    Instance& instance = instances_[{tenant, id}];
    if (!instance.ended) problems.push_back(fmt::format("instance {} is forgotten while it runs", id.to_string()));
    if (instance.ended && *instance.ended + kept(tenant) > event.time())
      problems.push_back(fmt::format("instance {} is forgotten too early", id.to_string()));
    if (std::exchange(instance.is_forgotten, true))
      problems.push_back(fmt::format("instance {} is forgotten twice", id.to_string()));
    ++instances;
  }
}

base::Duration Forgotten::kept(const std::string& tenant) const {
  const auto set = settings_.find(tenant);
  return std::chrono::hours(24) * (set == settings_.end() ? tenancy::Retention{} : set->second).instances_days;
}

void Forgotten::end(base::Timestamp now, const Rows& rows) {
  std::set<std::string> left;
  for (const auto& [place, value] : rows) {
    const auto& [table, key] = place;
    if (!table.starts_with("workflow_")) continue;
    for (std::size_t at = 0; at + id_bytes <= key.size(); ++at) left.insert(key.substr(at, id_bytes));
  }
  for (const auto& [key, instance] : instances_) {
    const std::string id(key.second.bytes().begin(), key.second.bytes().end());
    if (instance.is_forgotten && left.contains(id))
      problems.push_back(fmt::format("a row of instance {} is left, which was forgotten", key.second.to_string()));
    if (!instance.is_forgotten && !left.contains(id))
      problems.push_back(fmt::format("no row of instance {} is left", key.second.to_string()));
    const bool is_kept = instance.is_forgotten || !instance.ended || *instance.ended + kept(key.first) + late_max > now;
    if (!is_kept) problems.push_back(fmt::format("instance {} is never forgotten", key.second.to_string()));
  }
}

}  // namespace trv::simulation
