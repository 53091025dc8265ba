#pragma once
// What a fake host lends to the plugin under test. Header-only; C++20.

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/abi/types.h"
#include "sdk/conformance/exchange.hpp"

namespace trv::conformance {

[[nodiscard]] inline std::string text_of(trv_string text) {
  return text.size == 0 ? std::string() : std::string(text.data, text.size);
}
[[nodiscard]] inline std::string text_of(trv_bytes bytes) {
  return bytes.size == 0 ? std::string() : std::string(reinterpret_cast<const char*>(bytes.data), bytes.size);
}

/// A struct of the ABI with what a later minor version adds behind it.
template <typename T>
struct Extended {
  T known;
  unsigned char later[64];
};

/// Bytes lent to the plugin; overwritten on withdraw() and kept mapped, so that a plugin that still looks sees garbage.
class LentBytes {
 public:
  trv_string text(std::string_view text) {
    auto copy = std::make_unique<char[]>(text.size() + 1);
    std::memcpy(copy.get(), text.data(), text.size());
    lent_.push_back({std::move(copy), text.size() + 1});
    return {lent_.back().bytes.get(), text.size()};
  }
  trv_bytes bytes(std::string_view content) {
    const trv_string copy = text(content);
    return {reinterpret_cast<const std::uint8_t*>(copy.data), copy.size};
  }
  /// Memory for `count` of T, which has no destructor.
  template <typename T>
  T* array(std::size_t count) {
    auto memory = std::make_unique<char[]>(sizeof(T) * count + 1);
    lent_.push_back({std::move(memory), sizeof(T) * count});
    return reinterpret_cast<T*>(lent_.back().bytes.get());
  }
  /// A struct with room behind it for what a later minor version adds: garbage, as far as version 1 knows.
  template <typename T>
  T* extended() {
    auto* memory = array<Extended<T>>(1);
    std::memset(memory->later, 0xee, sizeof memory->later);
    return &memory->known;
  }
  trv_error* error(const CallError& error, std::uint32_t struct_size) {
    auto* raw = extended<trv_error>();
    *raw = {.struct_size = struct_size,
            .code = error.code,
            .retry = error.retry,
            .status = error.status,
            .retry_after_ms = error.retry_after_ms,
            .message = text(error.message),
            .detail = bytes(error.detail)};
    return raw;
  }
  void withdraw() noexcept {
    for (Block& block : lent_) std::memset(block.bytes.get(), 0xdd, block.size);
  }

 private:
  struct Block {
    std::unique_ptr<char[]> bytes;
    std::size_t size;
  };
  std::vector<Block> lent_;
};

}  // namespace trv::conformance
