#pragma once
// The certificate that the API shows, as the keys of the configuration name it.

#include "kernel/config/config.hpp"
#include "kernel/http/tls.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::config {

/// One that clients can be shown.
struct ServedIdentity {
  http::TlsContext context;
  base::Timestamp valid_from;   ///< of the certificates in the file: the latest
  base::Timestamp valid_until;  ///< the earliest
};

/// Reads `http.certificate_file`, `http.key_file` and `http.client_authority_file`, whatever the time is. Precondition:
/// the first is set. Errors: invalid, with the key and the file.
[[nodiscard]] base::Result<ServedIdentity> served_identity(const Config& config);

/// Whether clients accept it at this time. Error: invalid, with the key, the file and the date.
[[nodiscard]] base::Status check_validity(const Config& config, const ServedIdentity& identity, base::Timestamp now);

}  // namespace trv::config
