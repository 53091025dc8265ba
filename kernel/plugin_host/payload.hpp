#pragma once
// What crosses the ABI, checked and made fit for people and programs. Pure functions; any thread.

#include <string>
#include <string_view>

#include "kernel/plugin_host/plugin_instance.hpp"
#include "sdk/abi/types.h"

namespace trv::plugin_host {

/// Of a message that a plugin gives to people.
inline constexpr std::size_t message_bytes_max = 4'096;

/// Whether `text` is one JSON text of at most json_depth_max levels.
[[nodiscard]] bool is_json(std::string_view text);

/// The text cut to `bytes_max` bytes, with control characters and invalid UTF-8 as \n, \t or \x1b.
[[nodiscard]] std::string printable(std::string_view text, std::size_t bytes_max);

[[nodiscard]] inline std::string_view view(trv_string text) noexcept {
  return text.data == nullptr ? std::string_view() : std::string_view(text.data, text.size);
}
[[nodiscard]] inline std::string_view view(trv_bytes bytes) noexcept {
  return bytes.data == nullptr ? std::string_view()
                               : std::string_view(reinterpret_cast<const char*>(bytes.data), bytes.size);
}
[[nodiscard]] inline trv_string borrowed(std::string_view text) noexcept {
  return {text.data(), text.size()};
}
[[nodiscard]] inline trv_bytes borrowed_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// A plugin's error, bounded and printable. `error` may be null or too small: a defect of the plugin, reported as
/// internal.
[[nodiscard]] OperationError read_error(const trv_error* error);
/// Our code for one of the ABI; internal for one that is not.
[[nodiscard]] base::ErrorCode from_abi(std::int32_t code) noexcept;
/// The ABI's code for one of ours.
[[nodiscard]] trv_error_code to_abi(base::ErrorCode code) noexcept;

}  // namespace trv::plugin_host
