#include "kernel/trust/statement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "audit/note/note.hpp"
#include "sdk/base/contract.hpp"

namespace trv::trust {
namespace {

using base::ErrorCode;

constexpr std::string_view key_name = "key";

base::Result<Line> parse_line(std::string_view text, std::size_t number) {
  const std::size_t space = text.find(' ');
  if (space == 0 || space == std::string_view::npos || space + 1 == text.size() || text[space + 1] == ' ') {
    return base::fail(
        base::Error(ErrorCode::invalid, fmt::format("line {} is not a name, one space and a value", number))
            .at(static_cast<int>(number), 1));
  }
  return Line{std::string(text.substr(0, space)), std::string(text.substr(space + 1))};
}

}  // namespace

base::Result<std::string> sign_statement(std::string_view kind, const std::vector<Line>& lines,
                                         const note::SigningKey& key) {
  std::string text = fmt::format("{}\n", kind);
  for (const Line& line : lines) {
    TRV_EXPECTS(!line.name.contains(' ') && !line.name.contains('\n') && !line.value.contains('\n'));
    text += fmt::format("{} {}\n", line.name, line.value);
  }
  text += fmt::format("{} {}\n", key_name, key.verifier().format());
  return note::sign(text, key);
}

base::Result<Statement> open_statement(std::string_view kind, std::string_view note) {
  if (note.size() > statement_bytes_max) {
    return base::fail(ErrorCode::too_large,
                      fmt::format("{} bytes; a statement has at most {}", note.size(), statement_bytes_max));
  }
  if (!note.starts_with(kind) || note.substr(kind.size(), 1) != "\n") {
    return base::fail(ErrorCode::invalid, fmt::format("the first line is not `{}`", kind));
  }
  const std::size_t split = note.rfind("\n\n");
  if (split == std::string_view::npos) {
    return base::fail(ErrorCode::invalid, "there is no empty line between text and signature");
  }
  if (std::ranges::count(note.substr(split + 2), '\n') != 1) {
    return base::fail(ErrorCode::invalid, "there is not exactly one signature line");
  }
  std::vector<Line> lines;
  std::size_t number = 1;
  for (const auto part : std::views::split(note.substr(0, split), '\n') | std::views::drop(1)) {
    TRV_TRY_ASSIGN(Line line, parse_line(std::string_view(part.begin(), part.end()), ++number));
    lines.push_back(std::move(line));
  }
  if (lines.empty() || lines.back().name != key_name) {
    return base::fail(ErrorCode::invalid, "the last line of the text is not `key` and the public key");
  }
  TRV_TRY_ASSIGN(note::VerifierKey key, note::VerifierKey::parse(lines.back().value));
  if (key.format() != lines.back().value) {
    return base::fail(ErrorCode::invalid, "the public key is not in its one canonical form");
  }
  lines.pop_back();
  TRV_TRY(note::open(note, std::span(&key, 1)));
  return Statement{.lines = std::move(lines), .key = std::move(key)};
}

base::Result<std::vector<std::string>> values_of(const Statement& statement, std::span<const std::string_view> names) {
  std::vector<std::string> values;
  for (std::size_t index = 0; index < std::max(names.size(), statement.lines.size()); ++index) {
    if (index >= statement.lines.size()) {
      return base::fail(ErrorCode::invalid, fmt::format("line `{}` is missing", names[index]));
    }
    const Line& line = statement.lines[index];
    if (index >= names.size() || line.name != names[index]) {
      return base::fail(ErrorCode::invalid,
                        fmt::format("line {} is `{}`, expected {}", index + 2, line.name,
                                    index < names.size() ? fmt::format("`{}`", names[index]) : "no further one"));
    }
    values.push_back(line.value);
  }
  return values;
}

}  // namespace trv::trust
