#include "kernel/tenancy/plugin_subscriptions.hpp"

#include <algorithm>

#include "events/record/payload.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/version.hpp"

namespace trv::tenancy {
namespace {

namespace events = schema::plugin;
using record::text_of;

/// What a tenant has of one plugin. Goes with events that are not in the projection yet as the projector will.
class PluginState {
 public:
  PluginState(std::vector<Grant> versions, std::optional<CurrentVersion> current,
              std::vector<package::Permission> permissions)
      : versions_(std::move(versions)), current_(std::move(current)), permissions_(std::move(permissions)) {}

  void apply(const record::Draft& event) {
    if (event.type == "trv.plugin.enabled") enable(payload<events::PluginEnabled>(event));
    if (event.type == "trv.plugin.disabled") disable(text_of(payload<events::PluginDisabled>(event).version()));
    if (event.type == "trv.plugin.switched") {
      const auto& switched = payload<events::PluginSwitched>(event);
      current_ = {.version = std::string(text_of(switched.to())), .before = std::string(text_of(switched.from()))};
    }
    if (event.type == "trv.plugin.permissions_changed") {
      permit(payload<events::PluginPermissionsChanged>(event).permissions());
    }
  }

  [[nodiscard]] Subscriptions subscriptions() const {
    if (!current_) return {};
    Subscriptions out{.version = current_->version};
    const auto current = std::ranges::find(versions_, current_->version, &Grant::version);
    if (current == versions_.end()) return out;
    for (package::Subscription one : current->subscriptions) {
      std::erase_if(one.events, [&](const std::string& type) {
        return !package::covers(permissions_, {.kind = package::Permission::Kind::subscriptions, .scope = type});
      });
      if (!one.events.empty()) out.permitted.push_back(std::move(one));
    }
    return out;
  }

 private:
  template <typename Event>
  static const Event& payload(const record::Draft& event) {
    TRV_EXPECTS(!event.payload.empty());
    return *flatbuffers::GetRoot<Event>(event.payload.data());  // made by this decision
  }

  void enable(const events::PluginEnabled& event) {
    const std::string version(text_of(event.version()));
    std::erase_if(versions_, [&](const Grant& one) { return one.version == version; });
    Grant grant{.plugin = {}, .version = version, .enabled = {}};
    grant.subscriptions = subscriptions_of(event);
    versions_.push_back(std::move(grant));
    if (event.permissions() != nullptr) permit(event.permissions());
    if (!current_) current_ = {.version = version, .before = {}};
  }
  void disable(std::string_view version) {
    if (version.empty()) versions_.clear();
    std::erase_if(versions_, [&](const Grant& one) { return one.version == version; });
    if (!current_) return;
    current_ = versions_.empty() ? std::nullopt : current_without(*current_, version, versions_);
  }
  void permit(const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>* texts) {
    permissions_.clear();
    for (const auto* text : *texts) {
      if (auto one = package::Permission::parse(text_of(text))) permissions_.push_back(*std::move(one));
    }
  }

  std::vector<Grant> versions_;  // in order, as TenancyStore::versions
  std::optional<CurrentVersion> current_;
  std::vector<package::Permission> permissions_;
};

}  // namespace

flatbuffers::Offset<StoredSubscriptions> stored(flatbuffers::FlatBufferBuilder& builder,
                                                const std::vector<package::Subscription>& subscriptions) {
  if (subscriptions.empty()) return 0;
  std::vector<flatbuffers::Offset<events::PluginSubscription>> all;
  for (const package::Subscription& one : subscriptions) {
    const auto operation = builder.CreateString(one.operation);
    const auto types = builder.CreateVectorOfStrings(one.events);
    all.push_back(events::CreatePluginSubscription(builder, operation, types));
  }
  return builder.CreateVector(all);
}

std::vector<package::Subscription> subscriptions_of(const events::PluginEnabled& event) {
  std::vector<package::Subscription> all;
  if (event.subscriptions() == nullptr) return all;
  for (const auto* one : *event.subscriptions()) {
    package::Subscription subscription{.operation = std::string(text_of(one->operation())), .events = {}};
    if (one->events() != nullptr) {
      for (const auto* type : *one->events()) subscription.events.emplace_back(text_of(type));
    }
    all.push_back(std::move(subscription));
  }
  return all;
}

std::optional<CurrentVersion> current_without(CurrentVersion current, std::string_view gone,
                                              const std::vector<Grant>& left) {
  if (current.version != gone) {
    if (current.before == gone) current.before.clear();
    return current;
  }
  if (std::ranges::find(left, current.before, &Grant::version) != left.end()) return CurrentVersion{current.before, {}};
  const auto highest = std::find_if(left.rbegin(), left.rend(), [&](const Grant& one) { return one.version != gone; });
  return highest == left.rend() ? std::nullopt : std::optional(CurrentVersion{highest->version, {}});
}

Result<Subscriptions> subscriptions_after(const TenancyStore& store, const lmdb::Txn& state,
                                          const base::TenantId& tenant, std::string_view plugin,
                                          const Decision& decision) {
  TRV_TRY_ASSIGN(auto versions, store.versions(state, tenant, plugin));
  TRV_TRY_ASSIGN(auto current, store.current_version(state, tenant, plugin));
  TRV_TRY_ASSIGN(auto permissions, store.permissions(state, tenant, plugin));
  PluginState plugin_state(std::move(versions), std::move(current), std::move(permissions));
  for (const record::Draft& event : decision.events) plugin_state.apply(event);
  return plugin_state.subscriptions();
}

}  // namespace trv::tenancy
