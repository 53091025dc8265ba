#include "audit/note/checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "audit/note/text.hpp"

namespace trv::note {
namespace {

using base::ErrorCode;

std::unexpected<base::Error> refuse(std::string_view why) {
  return base::fail(ErrorCode::invalid, fmt::format("checkpoint: {}", why));
}

// Takes the next line from `text`; nullopt where no line feed ends it or it is empty.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos || end == 0) {
    return std::nullopt;
  }
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

}  // namespace

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
  const bool leading_zero = text.size() > 1 && text.front() == '0';
  if (text.empty() || leading_zero || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<base::Digest> parse_hash(std::string_view text) {
  base::Digest digest;
  if (text.size() != 44) {
    return std::nullopt;
  }
  const auto bytes = base::from_base64(text);
  if (!bytes || bytes->size() != digest.size()) {
    return std::nullopt;
  }
  std::ranges::copy(*bytes, digest.begin());
  return digest;
}

std::string Checkpoint::format() const {
  return fmt::format("{}\n{}\n{}\n", origin, size, base::to_base64(root));
}

Result<Checkpoint> Checkpoint::parse(std::string_view text) {
  TRV_TRY(check_text(text));
  const auto origin = take_line(text);
  if (!origin) {
    return refuse("line 1 must be the origin");
  }
  const auto size_text = take_line(text);
  const auto size = size_text ? parse_decimal(*size_text) : std::nullopt;
  if (!size) {
    return refuse("line 2 must be the tree size, in decimal without leading zeroes");
  }
  const auto root_text = take_line(text);
  const auto root = root_text ? parse_hash(*root_text) : std::nullopt;
  if (!root) {
    return refuse("line 3 must be the root, base64 of 32 bytes");
  }
  while (!text.empty()) {
    if (!take_line(text)) {
      return refuse("an extension line is empty or has no line feed");
    }
  }
  return Checkpoint{.origin = std::string(*origin), .size = *size, .root = *root};
}

Result<std::string> sign_checkpoint(const Checkpoint& checkpoint, const SigningKey& key) {
  if (key.name() != checkpoint.origin) {
    return refuse(fmt::format("the key is named {}, but the origin is {}", key.name(), checkpoint.origin));
  }
  return sign(checkpoint.format(), key);
}

Result<Checkpoint> open_checkpoint(std::string_view note, std::span<const VerifierKey> verifiers) {
  TRV_TRY_ASSIGN(const Opened opened, open(note, verifiers));
  TRV_TRY_ASSIGN(Checkpoint checkpoint, Checkpoint::parse(opened.text));
  if (std::ranges::find(opened.verified, checkpoint.origin) == opened.verified.end()) {
    return base::fail(ErrorCode::unauthenticated, fmt::format("checkpoint: its origin is {}, but it is signed by {}",
                                                              checkpoint.origin, fmt::join(opened.verified, ", ")));
  }
  return checkpoint;
}

}  // namespace trv::note
