#include "kernel/plugin_host/payload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "kernel/json/reader.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;

constexpr std::size_t detail_bytes_max = 65'536;

}  // namespace

bool is_json(std::string_view text) {
  constexpr char byte_order_mark =
      '\xEF';  // its first byte; texts of plugins are stored as they are, so none may begin so
  if (text.starts_with(byte_order_mark)) return false;
  json::Reader reader(text, {.bytes_max = text.size(), .depth_max = json_depth_max});
  while (true) {
    const auto piece = reader.next();
    if (!piece || *piece == json::Piece::document_end) return piece.has_value();
  }
}

std::string printable(std::string_view text, std::size_t bytes_max) {
  text = text.substr(0, bytes_max);
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = base::character_bytes(text);
    const auto byte = static_cast<unsigned char>(text.front());
    if (size == 0 || byte < 0x20 || byte == 0x7f ||
        (size == 2 && byte == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0)) {
      if (byte == '\n' || byte == '\t' || byte == '\r') {
        out.push_back('\\');
        out.push_back(byte == '\n' ? 'n' : byte == '\t' ? 't' : 'r');
      } else {
        for (std::size_t i = 0; i < std::max<std::size_t>(size, 1); ++i) {
          fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(text[i]));
        }
      }
    } else {
      out.append(text.substr(0, size));
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out;
}

OperationError read_error(const trv_error* error) {
  if (error == nullptr || error->struct_size < TRV_ERROR_SIZE_V1) {
    return {
        .code = ErrorCode::internal, .message = "the plugin failed the call without a valid trv_error", .detail = {}};
  }
  OperationError read{
      .code = from_abi(error->code),
      .may_retry = error->retry == TRV_RETRY_SAFE,
      .retry_after_ms = error->retry_after_ms,
      .status = error->status >= 100 && error->status <= 599 ? static_cast<std::uint32_t>(error->status) : 0,
      .message = printable(view(error->message), message_bytes_max),
      .detail = {}};
  const std::string_view detail = view(error->detail);
  if (detail.size() <= detail_bytes_max && detail.starts_with('{') && is_json(detail)) read.detail = detail;
  return read;
}

ErrorCode from_abi(std::int32_t code) noexcept {
  switch (code) {
    case TRV_ERROR_INVALID: return ErrorCode::invalid;
    case TRV_ERROR_UNAUTHENTICATED: return ErrorCode::unauthenticated;
    case TRV_ERROR_DENIED: return ErrorCode::denied;
    case TRV_ERROR_NOT_FOUND: return ErrorCode::not_found;
    case TRV_ERROR_CONFLICT: return ErrorCode::conflict;
    case TRV_ERROR_TOO_LARGE: return ErrorCode::too_large;
    case TRV_ERROR_EXHAUSTED: return ErrorCode::exhausted;
    case TRV_ERROR_UNAVAILABLE: return ErrorCode::unavailable;
    case TRV_ERROR_TIMEOUT: return ErrorCode::timeout;
    case TRV_ERROR_CANCELLED: return ErrorCode::cancelled;
    default: return ErrorCode::internal;
  }
}

trv_error_code to_abi(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid: return TRV_ERROR_INVALID;
    case ErrorCode::unauthenticated: return TRV_ERROR_UNAUTHENTICATED;
    case ErrorCode::denied: return TRV_ERROR_DENIED;
    case ErrorCode::not_found: return TRV_ERROR_NOT_FOUND;
    case ErrorCode::conflict: return TRV_ERROR_CONFLICT;
    case ErrorCode::too_large: return TRV_ERROR_TOO_LARGE;
    case ErrorCode::exhausted: return TRV_ERROR_EXHAUSTED;
    case ErrorCode::unavailable:
    case ErrorCode::lost: return TRV_ERROR_UNAVAILABLE;
    case ErrorCode::timeout: return TRV_ERROR_TIMEOUT;
    case ErrorCode::cancelled: return TRV_ERROR_CANCELLED;
    case ErrorCode::corrupt:
    case ErrorCode::internal: return TRV_ERROR_INTERNAL;
  }
  return TRV_ERROR_INTERNAL;
}

}  // namespace trv::plugin_host
