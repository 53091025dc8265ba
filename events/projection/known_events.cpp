#include "events/projection/known_events.hpp"

#include <fmt/format.h>

#include <functional>
#include <string>
#include <unordered_set>

#include "events/catalog/event_catalog.hpp"
#include "sdk/base/contract.hpp"

namespace trv::projection {
namespace {

constexpr std::string_view kernel_types = "trv.";

struct Hash : std::hash<std::string_view> {
  using is_transparent = void;
};
using Types = std::unordered_set<std::string, Hash, std::equal_to<>>;

Types types_of_catalog() {
  Types types;
  const catalog::EventCatalog catalog = catalog::EventCatalog::make();
  for (const std::string_view type : catalog.types()) types.emplace(type);
  TRV_ENSURES(!types.empty());
  return types;
}

}  // namespace

base::Status refuse_unless_known(const record::RecordView& record) {
  static const Types known = types_of_catalog();
  const std::string_view type = record.type();
  if (!type.starts_with(kernel_types)) return {};
  const bool is_known = known.contains(type);
  if (is_known && record.schema_version() <= schema_version_known) return {};
  const std::string what = is_known ? fmt::format("version {} of the event type {}", record.schema_version(), type)
                                    : fmt::format("the event type {}", type);
  return base::fail(base::ErrorCode::invalid,
                    fmt::format("the record with lsn {} of shard {} has {}, which this travd does not know: a later "
                                "version wrote it. Run that version, or a later one, on this node",
                                record.lsn().value(), record.shard().value(), what));
}

}  // namespace trv::projection
