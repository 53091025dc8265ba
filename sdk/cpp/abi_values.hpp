#pragma once
// Values of the layer as structs of the ABI, which borrow them, and back. C++20; any thread.

#include <cstdint>
#include <string>
#include <string_view>

#include "sdk/abi/ext/blob.h"
#include "sdk/abi/ext/http.h"
#include "sdk/abi/ext/kv.h"
#include "sdk/abi/types.h"
#include "sdk/cpp/values.hpp"

namespace trv::sdk {

[[nodiscard]] inline trv_string borrow(std::string_view text) noexcept {
  return {text.data(), text.size()};
}
[[nodiscard]] inline trv_bytes borrow_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view view(trv_string text) noexcept {
  return text.size == 0 ? std::string_view() : std::string_view(text.data, text.size);
}
[[nodiscard]] inline std::string_view view(trv_bytes bytes) noexcept {
  return bytes.size == 0 ? std::string_view() : std::string_view(reinterpret_cast<const char*>(bytes.data), bytes.size);
}
/// Borrowed from the failure.
[[nodiscard]] inline trv_error borrow(const Failure& failure) noexcept {
  return {.struct_size = sizeof(trv_error),
          .code = static_cast<std::int32_t>(failure.code),
          .retry = static_cast<std::int32_t>(failure.retry),
          .status = failure.status,
          .retry_after_ms = failure.retry_after_ms,
          .message = borrow(std::string_view(failure.message)),
          .detail = borrow_bytes(failure.detail)};
}
/// Without an allocation, which may fail.
[[nodiscard]] inline trv_error cancelled_error() noexcept {
  return {.struct_size = sizeof(trv_error),
          .code = TRV_ERROR_CANCELLED,
          .retry = TRV_RETRY_NEVER,
          .status = 0,
          .retry_after_ms = 0,
          .message = borrow(std::string_view("the call was cancelled")),
          .detail = {}};
}
[[nodiscard]] inline Failure copy(const trv_error& error) {
  if (error.struct_size < TRV_ERROR_SIZE_V1) return {.message = "the host reported an error without saying which"};
  const bool known = error.code >= TRV_ERROR_INVALID && error.code <= TRV_ERROR_INTERNAL;
  return {.code = known ? static_cast<Code>(error.code) : Code::internal,
          .message = std::string(view(error.message)),
          .retry = error.retry == TRV_RETRY_SAFE ? Retry::safe : Retry::never,
          .retry_after_ms = error.retry_after_ms,
          .status = error.status,
          .detail = std::string(view(error.detail))};
}

[[nodiscard]] inline Response copy(const trv_http_response& raw) {
  Response response;
  response.status = static_cast<int>(raw.status);
  for (std::uint32_t i = 0; i < raw.header_count; ++i)
    response.headers.push_back({std::string(view(raw.headers[i].name)), std::string(view(raw.headers[i].value))});
  response.body = view(raw.body);
  return response;
}
[[nodiscard]] inline KeptBlobs copy(const trv_blob_answer& raw) {
  KeptBlobs kept{.entries = {}, .bytes = std::string(view(raw.part)), .has_more = raw.has_more != 0};
  for (std::uint32_t i = 0; i < raw.entry_count; ++i) {
    const trv_blob_entry& entry = raw.entries[i];
    kept.entries.push_back({std::string(view(entry.digest)), entry.byte_count, std::string(view(entry.media_type)),
                            std::string(view(entry.name))});
  }
  return kept;
}
[[nodiscard]] inline Stored copy(const trv_kv_answer& raw) {
  Stored stored;
  for (std::uint32_t i = 0; i < raw.entry_count; ++i) {
    const trv_kv_entry& entry = raw.entries[i];
    stored.entries.push_back({std::string(view(entry.key)), std::string(view(entry.value)), entry.revision});
  }
  stored.has_more = raw.has_more != 0;
  return stored;
}

}  // namespace trv::sdk
