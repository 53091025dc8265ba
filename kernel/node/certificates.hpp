#pragma once
// The certificates with which nodes know each other. Every node makes its own: the cluster key makes it the
// authority.

#include <mutex>
#include <optional>
#include <string>

#include "kernel/http/tls_identity.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/digest.hpp"

namespace trv::node {

/// Of one node. Any thread.
class Certificates {
 public:
  /// `authority_key`: the private key of the authority, the same on every node; `cluster` names the authority.
  /// `host`: name or IP address (IPv6 without brackets) at which the others reach this node. `clock` outlives it.
  Certificates(const base::Digest& authority_key, const std::string& cluster, std::string node, std::string host,
               const base::Clock& clock);
  ~Certificates();
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  /// Valid for half a day before and after now at least, so the clocks of two nodes may differ by as much. Another one
  /// twice a day.
  [[nodiscard]] http::TlsIdentity identity() const;

 private:
  [[nodiscard]] http::TlsIdentity issue(base::Timestamp now) const;

  base::Digest authority_key_;
  const std::string authority_name_;
  const std::string node_;
  const std::string host_;
  const base::Clock& clock_;
  mutable std::mutex mutex_;
  mutable std::optional<http::TlsIdentity> issued_;
  mutable base::Timestamp issued_at_;
};

}  // namespace trv::node
