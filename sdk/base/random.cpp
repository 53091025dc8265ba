#include "sdk/base/random.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "sdk/base/contract.hpp"

namespace trv::base {
namespace {

// Asking the generator costs about as much for 16 bytes as for 4096. Ids draw from a reserve of their thread; what is
// longer than an id may be a key, which leaves no copy.
constexpr std::size_t id_bytes = 16;

std::atomic<std::uint64_t> forks{0};

struct Reserve {
  std::array<std::uint8_t, 4096> bytes;
  std::size_t left = 0;
  std::uint64_t forks_seen = 0;
};

void fill_from_generator(std::span<std::uint8_t> bytes) {
  TRV_ASSERT(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
}

}  // namespace

std::uint64_t Random::next() {
  std::array<std::uint8_t, 8> bytes{};
  fill(bytes);
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  return value;
}

std::uint64_t Random::below(std::uint64_t bound) {
  TRV_EXPECTS(bound > 0);
  // Values under the threshold would make the low remainders more likely.
  const std::uint64_t threshold = (0 - bound) % bound;
  for (;;) {
    const std::uint64_t value = next();
    if (value >= threshold) return value % bound;
  }
}

void SystemRandom::fill(std::span<std::uint8_t> bytes) {
  if (bytes.size() > id_bytes) return fill_from_generator(bytes);
  // A child process must not hand out its parent's reserve again.
  static const bool watches_forks = ::pthread_atfork(nullptr, nullptr, [] { ++forks; }) == 0;
  TRV_ASSERT(watches_forks);
  thread_local Reserve reserve;
  if (reserve.left < bytes.size() || reserve.forks_seen != forks) {
    reserve.forks_seen = forks;
    fill_from_generator(reserve.bytes);
    reserve.left = reserve.bytes.size();
  }
  reserve.left -= bytes.size();
  std::uint8_t* const from = reserve.bytes.data() + reserve.left;
  std::copy_n(from, bytes.size(), bytes.data());
  OPENSSL_cleanse(from, bytes.size());
}

void SimulatedRandom::fill(std::span<std::uint8_t> bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    z ^= z >> 31;
    std::memcpy(bytes.data() + at, &z, std::min<std::size_t>(8, bytes.size() - at));
  }
}

}  // namespace trv::base
