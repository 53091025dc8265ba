#pragma once
// Signature Version 4 in the Authorization header, as S3 takes it: the path is neither normalised nor escaped twice.
// Source: "AWS Signature Version 4 for API requests". Pure; any thread.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/base/timestamp.hpp"

namespace trv::s3 {

struct Credentials {
  std::string key_id;
  std::string secret;
  std::string token;  ///< of a session; empty: none
};

using Fields = std::vector<std::pair<std::string, std::string>>;

/// What is signed. Nothing in it is escaped.
struct SignedRequest {
  std::string method;
  std::string path;            ///< from the slash
  Fields query;                ///< in any order
  Fields headers;              ///< all that are signed, with Host and X-Amz-Date
  std::string payload_sha256;  ///< of the body, in hexadecimal
};

/// Who may use a signature, and for what.
struct Scope {
  std::string region;
  std::string service;
  base::Timestamp time;  ///< that of X-Amz-Date
};

/// 20150830T123600Z: the value of X-Amz-Date.
[[nodiscard]] std::string amz_date(base::Timestamp time);
/// Path and query as they are sent, which is also how they are signed.
[[nodiscard]] std::string escaped_path(std::string_view path);
[[nodiscard]] std::string escaped_query(const Fields& query);

[[nodiscard]] std::string canonical_request(const SignedRequest& request);
[[nodiscard]] std::string string_to_sign(const SignedRequest& request, const Scope& scope);
/// The value of the header Authorization.
[[nodiscard]] std::string authorization(const SignedRequest& request, const Scope& scope,
                                        const Credentials& credentials);

}  // namespace trv::s3
