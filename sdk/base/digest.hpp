#pragma once
// SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104). Any thread.

#include <array>
#include <initializer_list>
#include <memory>

#include "sdk/base/bytes.hpp"

namespace trv::base {

using Digest = std::array<std::uint8_t, 32>;

[[nodiscard]] Digest sha256(BytesView bytes);
/// The digest of the parts as if they stood in one buffer.
[[nodiscard]] Digest sha256(std::initializer_list<BytesView> parts);

/// SHA-256 of what comes piece by piece.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&& other) noexcept;
  Sha256& operator=(Sha256&&) = delete;

  void add(BytesView bytes);
  /// Of all so far.
  [[nodiscard]] Digest digest() const;

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

[[nodiscard]] Digest hmac_sha256(BytesView key, BytesView message);

}  // namespace trv::base
