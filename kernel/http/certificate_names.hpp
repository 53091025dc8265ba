#pragma once
// The names by which a client's certificate is known. OpenSSL.

#include <string>
#include <vector>

struct x509_st;

namespace trv::http {

/// The best first: "sha256:" and 64 digits, of its bytes; "uri:", "dns:" in lower case and "email:", of its alternative
/// names (RFC 5280 §4.2.1.6); "cn:", of its subject. At most 16 of at most 255 bytes, all printable ASCII without
/// blanks at their ends; what is otherwise is left out. Any thread.
[[nodiscard]] std::vector<std::string> certificate_names(x509_st* certificate);

}  // namespace trv::http
