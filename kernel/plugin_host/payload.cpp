#include "kernel/plugin_host/payload.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "sdk/base/utf8.hpp"

namespace trv::plugin_host {
namespace {

namespace json = boost::json;
using base::ErrorCode;

constexpr std::size_t message_bytes_max = 4'096;
constexpr std::size_t detail_bytes_max = 65'536;

// Keeps nothing: only whether the text parses is asked.
struct Discard {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  using Code = json::error_code;
  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return true; }
  bool on_object_end(std::size_t, Code&) { return true; }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t, Code&) { return true; }
  bool on_key_part(json::string_view, std::size_t, Code&) { return true; }
  bool on_key(json::string_view, std::size_t, Code&) { return true; }
  bool on_string_part(json::string_view, std::size_t, Code&) { return true; }
  bool on_string(json::string_view, std::size_t, Code&) { return true; }
  bool on_number_part(json::string_view, Code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, Code&) { return true; }
  bool on_uint64(std::uint64_t, json::string_view, Code&) { return true; }
  bool on_double(double, json::string_view, Code&) { return true; }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
  bool on_comment_part(json::string_view, Code&) { return true; }
  bool on_comment(json::string_view, Code&) { return true; }
};

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

}  // namespace

bool is_json(std::string_view text) noexcept {
  try {
    json::parse_options options;
    options.max_depth = json_depth_max;
    json::basic_parser<Discard> parser(options);
    json::error_code error;
    return parser.write_some(false, text.data(), text.size(), error) == text.size() && !error && parser.done();
  } catch (const std::exception&) {
    return false;
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
