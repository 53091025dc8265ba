// The door of the reader: what holds for a text before its syntax is looked at.

#include <fmt/format.h>

#include "kernel/workflow/definition/node.hpp"
#include "kernel/workflow/definition/syntax.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition {
namespace {

// The length of the well-formed UTF-8 sequence at `text[at]`, 0 where there is none (Unicode 15, table 3-7).
std::size_t sequence_length(std::string_view text, std::size_t at) {
  TRV_EXPECTS(at < text.size());
  const auto byte = [&](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;
    return byte(1) >= low && byte(1) <= high && continues(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
    return byte(1) >= low && byte(1) <= high && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

base::Status check_characters(std::string_view text) {
  Position position;
  while (position.offset < text.size()) {
    const char c = text[position.offset];
    const std::size_t length = sequence_length(text, position.offset);
    if (length == 0) {
      return base::fail(
          base::Error(base::ErrorCode::invalid, "the text is not UTF-8").at(position.line, position.column));
    }
    const auto code = static_cast<unsigned char>(c);
    if ((code < 0x20 && c != '\n' && c != '\r' && c != '\t') || code == 0x7F) {
      return base::fail(base::Error(base::ErrorCode::invalid,
                                    fmt::format("the control character 0x{:02x} may not stand in a definition", code))
                            .at(position.line, position.column));
    }
    position.offset += length;
    if (c == '\n') {
      ++position.line;
      position.column = 1;
    } else {
      position.column += static_cast<int>(length);
    }
  }
  TRV_ENSURES(position.offset == text.size());
  return {};
}

}  // namespace

base::Result<Node> read(std::string_view text, Format format) {
  if (text.size() > text_bytes_max) {
    return base::fail(base::ErrorCode::too_large,
                      fmt::format("the definition has {} bytes; at most {} are allowed", text.size(), text_bytes_max));
  }
  TRV_TRY(check_characters(text));
  return format == Format::json ? syntax::read_json(text) : syntax::read_yaml(text);
}

}  // namespace trv::definition
