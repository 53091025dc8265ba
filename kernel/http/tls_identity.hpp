#pragma once
// What one side of a connection over TLS shows, and what it asks of the other.

#include <string>

namespace trv::http {

/// PEM texts.
struct TlsIdentity {
  std::string certificate;  ///< and those between it and its authority, in this order
  std::string key;
  std::string authority;  ///< what signs the certificates of peers; empty: they are asked for none
};

}  // namespace trv::http
