#include "audit/export/proof.hpp"

#include <fmt/format.h>

#include "audit/note/checkpoint.hpp"

namespace trv::exporting {
namespace {

using base::ErrorCode;

constexpr std::string_view first_line = "c2sp.org/tlog-proof@v1";
constexpr std::size_t hashes_max = 63;

class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  // The next line without its line feed; nullopt where none is left that has one.
  std::optional<std::string_view> take() {
    const std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    ++number_;
    return line;
  }
  [[nodiscard]] int number() const { return number_; }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  int number_ = 0;
};

std::unexpected<base::Error> refuse(int line, std::string_view why) {
  return base::fail(base::Error(ErrorCode::invalid, fmt::format("proof: line {}: {}", line, why)).at(line, 1));
}

}  // namespace

std::string format_proof(const Proof& proof) {
  std::string text = fmt::format("{}\n", first_line);
  if (proof.extra) {
    text += fmt::format("extra {}\n", base::to_base64(*proof.extra));
  }
  text += fmt::format("index {}\n", proof.index);
  for (const base::Digest& hash : proof.hashes) {
    text += fmt::format("{}\n", base::to_base64(hash));
  }
  text += "\n";
  text += proof.checkpoint;
  return text;
}

base::Result<Proof> parse_proof(std::string_view text) {
  if (text.size() > proof_bytes_max) {
    return base::fail(ErrorCode::too_large,
                      fmt::format("proof: {} bytes; at most {} are accepted", text.size(), proof_bytes_max));
  }
  Lines lines(text);
  if (lines.take() != first_line) {
    return refuse(1, fmt::format("must be {}", first_line));
  }
  Proof proof;
  auto line = lines.take();
  if (line && line->starts_with("extra ")) {
    proof.extra = base::from_base64(line->substr(6));
    if (!proof.extra) {
      return refuse(lines.number(), "the extra data is not base64");
    }
    line = lines.take();
  }
  const auto index = line && line->starts_with("index ") ? note::parse_decimal(line->substr(6)) : std::nullopt;
  if (!index) {
    return refuse(lines.number(), "must be \"index\", a space and a decimal number without leading zeroes");
  }
  proof.index = *index;
  for (;;) {
    line = lines.take();
    if (!line) {
      return refuse(lines.number() + 1, "must be a hash, or empty before the checkpoint");
    }
    if (line->empty()) {
      break;
    }
    const auto hash = note::parse_hash(*line);
    if (!hash) {
      return refuse(lines.number(), "is not base64 of 32 bytes");
    }
    if (proof.hashes.size() == hashes_max) {
      return base::fail(ErrorCode::too_large, fmt::format("proof: more than {} hashes", hashes_max));
    }
    proof.hashes.push_back(*hash);
  }
  if (lines.rest().empty()) {
    return refuse(lines.number() + 1, "the checkpoint is missing");
  }
  proof.checkpoint = std::string(lines.rest());
  return proof;
}

}  // namespace trv::exporting
