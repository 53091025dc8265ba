#pragma once
// Which events of a tenant a plugin is handed: those that the manifest of its current version subscribes to and the
// tenant permits. Pure, as decisions.hpp says.

#include <flatbuffers/flatbuffers.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/schema/plugin_generated.h"
#include "kernel/tenancy/decisions.hpp"

namespace trv::tenancy {

using StoredSubscriptions = flatbuffers::Vector<flatbuffers::Offset<schema::plugin::PluginSubscription>>;

/// As trv.plugin.enabled has them; 0 where there are none.
[[nodiscard]] flatbuffers::Offset<StoredSubscriptions> stored(flatbuffers::FlatBufferBuilder& builder,
                                                              const std::vector<package::Subscription>& subscriptions);
[[nodiscard]] std::vector<package::Subscription> subscriptions_of(const schema::plugin::PluginEnabled& event);

/// The current version once `gone` is disabled: the one before it, or else the highest of `left`, which is in order
/// and may still have `gone`; nullopt where none is left.
[[nodiscard]] std::optional<CurrentVersion> current_without(CurrentVersion current, std::string_view gone,
                                                            const std::vector<Grant>& left);

struct Subscriptions {
  std::string version;  ///< the current one; empty: none is enabled
  std::vector<package::Subscription> permitted = {};
  friend bool operator==(const Subscriptions&, const Subscriptions&) = default;
};
/// As they are once the events of `decision`, which are about the plugin, take effect.
[[nodiscard]] Result<Subscriptions> subscriptions_after(const TenancyStore& store, const lmdb::Txn& state,
                                                        const base::TenantId& tenant, std::string_view plugin,
                                                        const Decision& decision);

}  // namespace trv::tenancy
