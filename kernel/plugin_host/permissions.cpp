#include "kernel/plugin_host/permissions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace trv::plugin_host {

using base::ErrorCode;
using package::Permission;

Permissions::Permissions(const package::Manifest& manifest, std::shared_ptr<const Ceiling> operator_allows,
                         const ConsentSource* consents)
    : plugin_(manifest.id),
      version_(manifest.version),
      requested_(manifest.requested()),
      operator_allows_(std::move(operator_allows)),
      consents_(consents) {}

base::Status Permissions::check(const base::TenantId& tenant, const Permission& wanted) const {
  const std::string what = wanted.text();
  const auto asked =
      std::ranges::find_if(requested_, [&](const Permission& one) { return package::covers(one, wanted); });
  if (asked == requested_.end()) {
    return base::fail(ErrorCode::denied, fmt::format("plugin '{}' {} may not use '{}': its manifest does not ask for "
                                                     "it; its author adds it to \"permissions\"",
                                                     plugin_, version_, what));
  }
  if (!package::covers(*operator_allows_->get(), wanted)) {
    return base::fail(ErrorCode::denied, fmt::format("plugin '{}' {} may not use '{}': this installation does not let "
                                                     "plugins have it; its operator sets plugins.permissions",
                                                     plugin_, version_, what));
  }
  if (consents_ == nullptr) return {};
  auto granted = consents_->granted(tenant, plugin_);
  if (!granted) return base::fail(std::move(granted).error().in("permissions"));
  if (package::covers(*granted, wanted)) return {};
  return base::fail(ErrorCode::denied,
                    fmt::format("plugin '{}' {} may not use '{}': tenant '{}' has not granted it, or has withdrawn it. "
                                "To grant it: trav plugin grant {} {} --tenant {}",
                                plugin_, version_, what, tenant.value(), plugin_, asked->text(), tenant.value()));
}

}  // namespace trv::plugin_host
