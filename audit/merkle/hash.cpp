#include "audit/merkle/hash.hpp"

#include <algorithm>

namespace trv::merkle {

Digest leaf_hash(BytesView entry) {
  static constexpr std::uint8_t prefix[] = {0x00};
  return base::sha256({BytesView(prefix), entry});
}

Digest node_hash(const Digest& left, const Digest& right) {
  std::array<std::uint8_t, 1 + 2 * sizeof(Digest)> message;
  message[0] = 0x01;
  std::ranges::copy(left, message.begin() + 1);
  std::ranges::copy(right, message.begin() + 1 + sizeof(Digest));
  return base::sha256(message);
}

Digest empty_root() {
  return base::sha256(BytesView());
}

}  // namespace trv::merkle
