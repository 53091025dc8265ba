#pragma once
// What one side of a connection over TLS shows, and what it asks of the other.

#include <string>

namespace trv::http {

/// PEM texts.
struct TlsIdentity {
  std::string certificate;
  std::string key;
  std::string authority;  ///< a peer's certificate is signed by it, or the connection ends
};

}  // namespace trv::http
