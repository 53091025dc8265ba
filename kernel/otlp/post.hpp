#pragma once
// One request to a receiver of OTLP, and what its answer means for what was sent.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/timestamp.hpp"

namespace trv::otlp {

inline constexpr std::size_t answer_bytes_max = std::size_t{4} << 20;

enum class Verdict : std::uint8_t {
  taken,    ///< but for the `rejected` of them
  later,    ///< the same may be sent again
  refused,  ///< the same would be refused again, or may have been taken
};

struct Answer {
  Verdict verdict = Verdict::taken;
  std::uint64_t rejected = 0;  ///< spans, points or lines of what was taken
  std::optional<base::Duration> retry_after = std::nullopt;
  std::string problem = {};  ///< for people; empty: none
};

/// What an answer with this status and body means (opentelemetry-proto, docs/specification.md, "OTLP/HTTP Response").
[[nodiscard]] Answer meaning_of(long status, std::string_view body);

/// Keeps its connection. One thread.
class Poster {
 public:
  /// `headers`: "name: value". Redirects are not followed, proxies of the environment are not used.
  Poster(std::vector<std::string> headers, std::string authority_file, base::Duration request_max);
  ~Poster();
  Poster(const Poster&) = delete;
  Poster& operator=(const Poster&) = delete;

  /// `given_up` is asked while it waits: true ends the request.
  [[nodiscard]] Answer post(const std::string& url, const std::string& body, const std::function<bool()>& given_up);

 private:
  struct Connection;
  const std::unique_ptr<Connection> connection_;
};

}  // namespace trv::otlp
