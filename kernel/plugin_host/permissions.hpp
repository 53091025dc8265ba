#pragma once
// What a version of a plugin may do for a tenant, at this moment: what its manifest asks for, of that what the operator
// lets plugins have (`plugins.permissions`), of that what the tenant has granted. Any thread.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/identity.hpp"
#include "sdk/base/replaceable.hpp"
#include "sdk/base/result.hpp"
#include "sdk/package/manifest.hpp"

namespace trv::plugin_host {

/// What tenants have granted; the daemon reads its projection. Any thread, must be quick.
class ConsentSource {
 public:
  virtual ~ConsentSource() = default;
  /// Error: why that cannot be known now.
  [[nodiscard]] virtual base::Result<std::vector<package::Permission>> granted(const base::TenantId& tenant,
                                                                               std::string_view plugin) const = 0;
};

class Permissions {
 public:
  /// What plugins may have at most; the operator may replace it while they run.
  using Ceiling = base::Replaceable<std::vector<package::Permission>>;

  /// `consents` outlives this; nullptr: tenants grant all that is asked for.
  Permissions(const package::Manifest& manifest, std::shared_ptr<const Ceiling> operator_allows,
              const ConsentSource* consents);

  /// Asked each time something is done, so that what was withdrawn a moment ago is refused. `wanted` names what is
  /// done, such as {kv}, {events, "com.acme.made"} or permission_of_request(). Errors: denied, which says who has not
  /// permitted it and what to type; unavailable.
  [[nodiscard]] base::Status check(const base::TenantId& tenant, const package::Permission& wanted) const;

 private:
  const std::string plugin_;
  const std::string version_;
  const std::vector<package::Permission> requested_;
  const std::shared_ptr<const Ceiling> operator_allows_;
  const ConsentSource* const consents_;
};

}  // namespace trv::plugin_host
