#include "sdk/base/digest_lanes.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "sdk/base/contract.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

// FIPS 180-4 with one message in each lane of a vector register; see docs/decisions/0044-many-digests-at-once.md.

namespace trv::base {
namespace {

#if defined(__x86_64__)

constexpr std::size_t lanes = 8;
constexpr std::size_t block_bytes = 64;
/// Fewer messages leave too many lanes empty.
constexpr std::size_t messages_min = 4;

/// One number of each lane.
using Lanes = std::uint32_t __attribute__((vector_size(lanes * sizeof(std::uint32_t))));
using State = std::array<Lanes, 8>;
using Blocks = std::array<const std::uint8_t*, lanes>;

constexpr std::array<std::uint32_t, 8> first_state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
constexpr std::array<std::uint32_t, 64> round_constants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/// FIPS 180-4 §6.2.2 for a block of each lane. What the processor has is chosen when the program starts.
__attribute__((target_clones("avx2", "default"))) void compress(State& state, const Blocks& blocks) {
  std::array<Lanes, 16> words;
  for (std::size_t t = 0; t < words.size(); ++t) {
    std::array<std::uint32_t, lanes> row;
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      std::memcpy(&row[lane], blocks[lane] + 4 * t, 4);
      row[lane] = __builtin_bswap32(row[lane]);
    }
    std::memcpy(&words[t], row.data(), sizeof row);
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (std::size_t t = 0; t < round_constants.size(); ++t) {
    Lanes& word = words[t % 16];
    if (t >= 16) {
      const Lanes before = words[(t + 1) % 16];
      const Lanes behind = words[(t + 14) % 16];
      word += ((before >> 7 | before << 25) ^ (before >> 18 | before << 14) ^ before >> 3) + words[(t + 9) % 16] +
              ((behind >> 17 | behind << 15) ^ (behind >> 19 | behind << 13) ^ behind >> 10);
    }
    const Lanes first = h + ((e >> 6 | e << 26) ^ (e >> 11 | e << 21) ^ (e >> 25 | e << 7)) + ((e & f) ^ (~e & g)) +
                        round_constants[t] + word;
    const Lanes second =
        ((a >> 2 | a << 30) ^ (a >> 13 | a << 19) ^ (a >> 22 | a << 10)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + first;
    d = c;
    c = b;
    b = a;
    a = first + second;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

/// What is left of the message in a lane: whole blocks, then one or two with the padding of §5.1.1.
struct Lane {
  std::size_t message = 0;
  BytesView whole;
  std::array<std::uint8_t, 2 * block_bytes> end{};
  std::size_t end_at = 0;
  std::size_t end_bytes = 0;

  void begin(BytesView bytes, std::size_t place) {
    message = place;
    const std::size_t rest = bytes.size() % block_bytes;
    whole = bytes.first(bytes.size() - rest);
    end.fill(0);
    std::ranges::copy(bytes.last(rest), end.begin());
    end[rest] = 0x80;
    end_at = 0;
    end_bytes = rest + 9 <= block_bytes ? block_bytes : 2 * block_bytes;
    for (std::size_t i = 0; i < 8; ++i) {
      end[end_bytes - 1 - i] = static_cast<std::uint8_t>(std::uint64_t{bytes.size()} * 8 >> 8 * i);
    }
  }
  [[nodiscard]] bool is_empty() const { return whole.empty() && end_at == end_bytes; }
  /// An empty lane hashes what nobody asks for.
  [[nodiscard]] const std::uint8_t* next_block() {
    if (is_empty()) return end.data();
    if (whole.empty()) return end.data() + std::exchange(end_at, end_at + block_bytes);
    const std::uint8_t* block = whole.data();
    whole = whole.subspan(block_bytes);
    return block;
  }
};

Digest digest_in(const State& state, std::size_t lane) {
  Digest digest{};
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::uint8_t>(state[i / 4][lane] >> (24 - 8 * (i % 4)));
  }
  return digest;
}

void sha256_in_lanes(std::span<const BytesView> messages, std::span<Digest> digests) {
  std::array<Lane, lanes> under_way;
  State state{};
  Blocks blocks{};
  std::size_t begun = 0;
  for (std::size_t done = 0; done < messages.size();) {
    std::array<bool, lanes> is_busy{};
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      if (under_way[lane].is_empty() && begun < messages.size()) {
        under_way[lane].begin(messages[begun], begun);
        ++begun;
        for (std::size_t i = 0; i < state.size(); ++i) state[i][lane] = first_state[i];
      }
      is_busy[lane] = !under_way[lane].is_empty();
      blocks[lane] = under_way[lane].next_block();
    }
    compress(state, blocks);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      if (!is_busy[lane] || !under_way[lane].is_empty()) continue;
      digests[under_way[lane].message] = digest_in(state, lane);
      ++done;
    }
  }
}

/// Instructions for SHA-256 are faster than lanes.
bool has_sha_instructions() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b >> 29 & 1U) != 0;
}

bool pays_in_lanes(std::size_t messages) {
  static const bool has_instructions = has_sha_instructions();
  return !has_instructions && messages >= messages_min;
}
#else
void sha256_in_lanes(std::span<const BytesView>, std::span<Digest>) {}
bool pays_in_lanes(std::size_t) {
  return false;
}
#endif

}  // namespace

void sha256_each(std::span<const BytesView> messages, std::span<Digest> digests) {
  TRV_EXPECTS(messages.size() == digests.size());
  if (pays_in_lanes(messages.size())) return sha256_in_lanes(messages, digests);
  std::ranges::transform(messages, digests.begin(), [](BytesView message) { return sha256(message); });
}

}  // namespace trv::base
