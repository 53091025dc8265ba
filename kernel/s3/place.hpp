#pragma once
// Where in an object storage something is: s3://bucket/prefix. Plain values; any thread.

#include <string>
#include <string_view>

#include "sdk/base/result.hpp"

namespace trv::s3 {

struct Place {
  std::string bucket;
  std::string prefix;  ///< without a slash at its ends; empty: the whole bucket
};

/// Whether the text begins with a scheme such as s3://, and so names no folder.
[[nodiscard]] bool is_url(std::string_view text) noexcept;

/// Reads `s3://bucket` or `s3://bucket/prefix`. Error: invalid, with what was expected.
[[nodiscard]] base::Result<Place> parse_place(std::string_view text);

/// Where a storage is reached.
struct Endpoint {
  bool is_tls = true;
  std::string authority;  ///< host, and port where it is not that of the scheme

  [[nodiscard]] std::string url() const { return (is_tls ? "https://" : "http://") + authority; }
};

/// Reads `https://host`, `http://host:port`. Error: invalid, with what was expected.
[[nodiscard]] base::Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace trv::s3
