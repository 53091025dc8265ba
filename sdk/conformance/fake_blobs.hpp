#pragma once
// The blobs of plugins (trv.blob/1) for a fake host: of each tenant its own, in memory, with real digests. Header-only;
// C++20 and the standard library.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/abi/ext/blob.h"
#include "sdk/conformance/exchange.hpp"
#include "sdk/conformance/lent_bytes.hpp"

namespace trv::conformance {

/// SHA-256 (FIPS 180-4) in 64 hexadecimal digits.
[[nodiscard]] inline std::string sha256_text(std::string_view bytes) {
  constexpr std::array<std::uint32_t, 64> k = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
  std::array<std::uint32_t, 8> h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  const auto turned = [](std::uint32_t x, int by) { return (x >> by) | (x << (32 - by)); };
  std::string padded(bytes);
  padded += '\x80';
  while (padded.size() % 64 != 56) padded += '\0';
  for (int i = 7; i >= 0; --i) padded += static_cast<char>(std::uint64_t{bytes.size()} * 8 >> (8 * i));
  std::array<std::uint32_t, 64> w{};
  for (std::size_t at = 0; at < padded.size(); at += 64) {
    for (std::size_t i = 0; i < 16; ++i) {
      w[i] = 0;
      for (std::size_t b = 0; b < 4; ++b) w[i] = (w[i] << 8) | static_cast<std::uint8_t>(padded[at + 4 * i + b]);
    }
    for (std::size_t i = 16; i < 64; ++i) {
      const std::uint32_t a = turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ (w[i - 15] >> 3);
      const std::uint32_t b = turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ (w[i - 2] >> 10);
      w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    std::array<std::uint32_t, 8> v = h;
    for (std::size_t i = 0; i < 64; ++i) {
      const std::uint32_t e = turned(v[4], 6) ^ turned(v[4], 11) ^ turned(v[4], 25);
      const std::uint32_t a = turned(v[0], 2) ^ turned(v[0], 13) ^ turned(v[0], 22);
      const std::uint32_t one = v[7] + e + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
      const std::uint32_t two = a + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
      std::rotate(v.begin(), v.end() - 1, v.end());
      v[0] = one + two;
      v[4] += one;
    }
    for (std::size_t i = 0; i < 8; ++i) h[i] += v[i];
  }
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::uint32_t word : h)
    for (int shift = 28; shift >= 0; shift -= 4) text += digits[(word >> shift) & 15];
  return text;
}

enum class BlobAction { write, store, drop, read, erase, list };

struct BlobAsked {
  std::uint64_t call_id = 0;
  std::uint64_t request_id = 0;
  BlobAction action = BlobAction::read;
  std::uint64_t writing_id = 0;
  std::string part = {};
  std::string media_type = {};
  std::string name = {};
  std::string digest = {};  ///< of list: what comes behind it
  std::uint64_t offset = 0;
  std::uint32_t count_max = 0;
  std::string tenant = {};
};

struct BlobFacts {
  std::string digest = {};
  std::string bytes = {};
  std::string media_type = {};
  std::string name = {};
};

struct BlobAnswer {
  std::vector<BlobFacts> entries = {};
  std::string part = {};
  bool has_more = false;
  std::optional<CallError> error = std::nullopt;
};

/// The functions of trv.blob/1 that give what they are asked to `take`, which is called as take(host, BlobAsked).
template <auto take>
trv_host_blob blob_service() {
  return {
      .struct_size = sizeof(trv_host_blob),
      .write =
          [](const trv_host* host, std::uint64_t call_id, std::uint64_t request_id, std::uint64_t writing_id,
             trv_bytes part) {
            take(host, {.call_id = call_id,
                        .request_id = request_id,
                        .action = BlobAction::write,
                        .writing_id = writing_id,
                        .part = text_of(part)});
          },
      .store =
          [](const trv_host* host, std::uint64_t call_id, std::uint64_t request_id, std::uint64_t writing_id,
             trv_string media_type, trv_string name) {
            take(host, {.call_id = call_id,
                        .request_id = request_id,
                        .action = BlobAction::store,
                        .writing_id = writing_id,
                        .media_type = text_of(media_type),
                        .name = text_of(name)});
          },
      .drop =
          [](const trv_host* host, std::uint64_t call_id, std::uint64_t request_id, std::uint64_t writing_id) {
            take(host,
                 {.call_id = call_id, .request_id = request_id, .action = BlobAction::drop, .writing_id = writing_id});
          },
      .read =
          [](const trv_host* host, std::uint64_t call_id, std::uint64_t request_id, trv_string digest,
             std::uint64_t offset, std::uint32_t length) {
            take(host, {.call_id = call_id,
                        .request_id = request_id,
                        .action = BlobAction::read,
                        .digest = text_of(digest),
                        .offset = offset,
                        .count_max = length});
          },
      .erase =
          [](const trv_host* host, std::uint64_t call_id, std::uint64_t request_id, trv_string digest) {
            take(
                host,
                {.call_id = call_id, .request_id = request_id, .action = BlobAction::erase, .digest = text_of(digest)});
          },
      .list =
          [](const trv_host* host, std::uint64_t call_id, std::uint64_t request_id, trv_string after,
             std::uint32_t count_max) {
            take(host, {.call_id = call_id,
                        .request_id = request_id,
                        .action = BlobAction::list,
                        .digest = text_of(after),
                        .count_max = count_max});
          }};
}

class FakeBlobs {
 public:
  /// What is kept under a digest; nullopt where nothing is.
  [[nodiscard]] std::optional<BlobFacts> find(const std::string& digest, const std::string& tenant = "acme") const {
    const auto kept = kept_.find(tenant);
    if (kept == kept_.end() || !kept->second.contains(digest)) return std::nullopt;
    return kept->second.at(digest);
  }
  /// Keeps it; gives its digest.
  std::string put(std::string bytes, std::string media_type = {}, std::string name = {},
                  const std::string& tenant = "acme") {
    std::string digest = sha256_text(bytes);
    kept_[tenant][digest] = {digest, std::move(bytes), std::move(media_type), std::move(name)};
    return digest;
  }

  /// What a plugin should not ask.
  [[nodiscard]] static std::vector<std::string> faults_of(const BlobAsked& asked) {
    std::vector<std::string> faults;
    if (asked.part.size() > TRV_BLOB_PART_BYTES) faults.emplace_back("a part of a blob is over 262,144 bytes");
    if (asked.action == BlobAction::read && asked.count_max > TRV_BLOB_PART_BYTES)
      faults.emplace_back("more than 262,144 bytes of a blob are asked for");
    if (asked.action == BlobAction::list && (asked.count_max < 1 || asked.count_max > 100))
      faults.emplace_back("a list of blobs is of 1 to 100 entries");
    if (asked.media_type.size() > 128) faults.emplace_back("a blob's media type is over 128 bytes");
    if (asked.name.size() > 256) faults.emplace_back("a blob's name is over 256 bytes");
    const bool names_one = asked.action == BlobAction::read || asked.action == BlobAction::erase ||
                           (asked.action == BlobAction::list && !asked.digest.empty());
    if (names_one && (asked.digest.size() != TRV_BLOB_DIGEST_CHARACTERS ||
                      asked.digest.find_first_not_of("0123456789abcdef") != std::string::npos))
      faults.emplace_back("a digest has 64 hexadecimal digits in small letters");
    return faults;
  }

  BlobAnswer answer(const BlobAsked& asked) {
    if (!faults_of(asked).empty()) return refused(TRV_ERROR_INVALID, "it is not within the limits of trv.blob/1");
    Kept& kept = kept_[asked.tenant];
    const std::pair writing(asked.call_id, asked.writing_id);
    switch (asked.action) {
      case BlobAction::write:
        if (written_[writing].size() + asked.part.size() > TRV_BLOB_BYTES_MAX)
          return refused(TRV_ERROR_TOO_LARGE, "a blob is over 104,857,600 bytes");
        written_[writing] += asked.part;
        return {};
      case BlobAction::store: {
        const std::string digest =
            put(std::exchange(written_[writing], {}), asked.media_type, asked.name, asked.tenant);
        written_.erase(writing);
        return {.entries = {kept.at(digest)}};
      }
      case BlobAction::drop: written_.erase(writing); return {};
      case BlobAction::erase: kept.erase(asked.digest); return {};
      case BlobAction::read: return read(kept, asked);
      case BlobAction::list: break;
    }
    BlobAnswer page;
    for (auto next = kept.upper_bound(asked.digest); next != kept.end(); ++next) {
      page.has_more = page.entries.size() == asked.count_max;
      if (page.has_more) break;
      page.entries.push_back(next->second);
    }
    return page;
  }

 private:
  using Kept = std::map<std::string, BlobFacts>;

  static BlobAnswer refused(std::int32_t code, std::string message) {
    return {.error = CallError{.code = code, .message = std::move(message), .retry = TRV_RETRY_NEVER}};
  }
  static BlobAnswer read(const Kept& kept, const BlobAsked& asked) {
    const auto found = kept.find(asked.digest);
    if (found == kept.end()) return refused(TRV_ERROR_NOT_FOUND, "no blob " + asked.digest + " is kept");
    const std::string& bytes = found->second.bytes;
    BlobAnswer answer{.entries = {found->second}};
    if (asked.offset >= bytes.size()) return answer;
    answer.part = bytes.substr(asked.offset, asked.count_max);
    answer.has_more = asked.count_max > 0 && asked.offset + answer.part.size() < bytes.size();
    return answer;
  }

  std::map<std::string, Kept> kept_;  // by tenant
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> written_;
};

}  // namespace trv::conformance
