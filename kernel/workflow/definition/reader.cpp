// The door of the reader: what holds for a text before its syntax is looked at.

#include <fmt/format.h>

#include "kernel/workflow/definition/node.hpp"
#include "kernel/workflow/definition/syntax.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::definition {
namespace {

// YAML 1.2.2 §5.1, c-printable, with a byte order mark at the beginning only.
bool is_printable(char32_t code, bool first) {
  if (code < 0xA0) return (code >= 0x20 && code < 0x7F) || code == '\n' || code == '\r' || code == '\t' || code == 0x85;
  return code != 0xFFFE && code != 0xFFFF && (code != 0xFEFF || first);
}

base::Status check_characters(std::string_view text) {
  Position position;
  while (position.offset < text.size()) {
    std::size_t next = position.offset;
    const char32_t code = base::next_code_point(text, next);
    const std::string_view bytes = text.substr(position.offset, next - position.offset);
    if (code == base::replacement_character && !base::is_utf8(bytes)) {
      return base::fail(base::Error(base::ErrorCode::invalid, "the text is not UTF-8 here; save the file as UTF-8")
                            .at(position.line, position.column));
    }
    if (!is_printable(code, position.offset == 0)) {
      return base::fail(base::Error(base::ErrorCode::invalid,
                                    fmt::format("a definition cannot contain the control character U+{:04X}; write it "
                                                "as an escape in double quotes",
                                                static_cast<std::uint32_t>(code)))
                            .at(position.line, position.column));
    }
    position.offset = next;
    if (code == '\n') {
      ++position.line;
      position.column = 1;
    } else {
      position.column += static_cast<int>(bytes.size());
    }
  }
  TRV_ENSURES(position.offset == text.size());
  return {};
}

}  // namespace

base::Result<Node> read(std::string_view text, Format format) {
  if (text.size() > text_bytes_max) {
    return base::fail(base::ErrorCode::too_large,
                      fmt::format("the definition has {} bytes; expected at most {}", text.size(), text_bytes_max));
  }
  TRV_TRY(check_characters(text));
  return format == Format::json ? syntax::read_json(text) : syntax::read_yaml(text);
}

}  // namespace trv::definition
