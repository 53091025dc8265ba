#pragma once
// Small pieces of JSON text, appended without allocation where the target has room. Pure; any thread.

#include <string>
#include <string_view>

#include "sdk/base/bytes.hpp"
#include "sdk/base/uuid.hpp"

namespace trv::trail {

/// Most bytes of one text that an entry takes.
inline constexpr std::size_t text_bytes_max = 1'024;

/// A JSON string (RFC 8259 §7), always valid: bytes that are not UTF-8 become U+FFFD, one each. A text over
/// text_bytes_max is cut before a character and ends in U+2026. At most 6 × text_bytes_max + 5 bytes.
void append_string(std::string& out, std::string_view text);
/// `"` and lower-case hexadecimal and `"`.
void append_hex(std::string& out, base::BytesView bytes);
/// The 36 characters in quotes.
void append_uuid(std::string& out, const base::Uuid& id);
void append_number(std::string& out, std::uint64_t number);

}  // namespace trv::trail
