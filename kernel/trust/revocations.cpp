#include "kernel/trust/revocations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "kernel/trust/statement.hpp"

namespace trv::trust {
namespace {

using base::ErrorCode;

constexpr std::string_view kind = "travertine revocations 1";
constexpr std::size_t reason_bytes_max = 200;

base::Status check_reason(std::string_view reason) {
  const bool is_plain = std::ranges::none_of(reason, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (!reason.empty() && reason.size() <= reason_bytes_max && reason.front() != ' ' && is_plain) return {};
  return base::fail(ErrorCode::invalid, fmt::format("a reason must have 1 to {} bytes in one line", reason_bytes_max));
}

base::Result<std::uint64_t> parse_counter(const std::string& text) {
  std::uint64_t counter = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, counter);
  if (parsed.ec == std::errc() && parsed.ptr == end && counter > 0 && std::to_string(counter) == text) return counter;
  return base::fail(ErrorCode::invalid, fmt::format("counter {} is not a number from 1 on", text));
}

base::Result<base::Digest> parse_content(const std::string& text) {
  const auto bytes = base::from_hex(text);
  base::Digest digest{};
  if (!bytes || bytes->size() != digest.size() || base::to_hex(*bytes) != text) {
    return base::fail(ErrorCode::invalid, fmt::format("content {} is not 64 hexadecimal digits in lower case", text));
  }
  std::ranges::copy(*bytes, digest.begin());
  return digest;
}

base::Status add(Revocations& list, const Line& line) {
  const std::size_t space = std::min(line.value.find(' '), line.value.size());
  const std::string what = line.value.substr(0, space);
  std::string reason = line.value.substr(std::min(space + 1, line.value.size()));
  TRV_TRY(check_reason(reason));
  if (line.name == "content") {
    TRV_TRY_ASSIGN(const base::Digest content, parse_content(what));
    if (std::ranges::find(list.contents, content, &RevokedContent::content) != list.contents.end()) {
      return base::fail(ErrorCode::invalid, fmt::format("content {} is in the list twice", what));
    }
    list.contents.push_back({content, std::move(reason)});
    return {};
  }
  if (line.name != "signer") {
    return base::fail(ErrorCode::invalid, fmt::format("line `{}` is neither `content` nor `signer`", line.name));
  }
  TRV_TRY_ASSIGN(note::VerifierKey key, note::VerifierKey::parse(what));
  if (std::ranges::find(list.signers, key, &RevokedSigner::key) != list.signers.end()) {
    return base::fail(ErrorCode::invalid, fmt::format("signer {} is in the list twice", what));
  }
  list.signers.push_back({std::move(key), std::move(reason)});
  return {};
}

}  // namespace

std::optional<std::string> Revocations::reason_for(const base::Digest& content, std::string_view publisher_key,
                                                   std::string_view certifier_key) const {
  const auto found = std::ranges::find(contents, content, &RevokedContent::content);
  if (found != contents.end()) return fmt::format("its content is revoked: {}", found->reason);
  for (const RevokedSigner& signer : signers) {
    const std::string key = signer.key.format();
    if (key == publisher_key) {
      return fmt::format("the key of its publisher {} is revoked: {}", signer.key.name(), signer.reason);
    }
    if (key == certifier_key) {
      return fmt::format("the key of its certifier {} is revoked: {}", signer.key.name(), signer.reason);
    }
  }
  return std::nullopt;
}

base::Result<std::string> sign_revocations(const Revocations& list, const note::SigningKey& key) {
  std::vector<Line> lines = {{"counter", std::to_string(list.counter)}};
  for (const RevokedContent& one : list.contents) {
    TRV_TRY(check_reason(one.reason));
    lines.push_back({"content", fmt::format("{} {}", base::to_hex(one.content), one.reason)});
  }
  for (const RevokedSigner& one : list.signers) {
    TRV_TRY(check_reason(one.reason));
    lines.push_back({"signer", fmt::format("{} {}", one.key.format(), one.reason)});
  }
  TRV_TRY_ASSIGN(std::string note, sign_statement(kind, lines, key));
  TRV_TRY(open_revocations(note));
  return note;
}

base::Result<SignedRevocations> open_revocations(std::string_view note) {
  const auto in_list = [](base::Error error) { return base::fail(std::move(error).in("revocation list")); };
  if (note.size() > revocations_bytes_max) {
    return in_list(
        {ErrorCode::too_large, fmt::format("{} bytes; at most {} are taken", note.size(), revocations_bytes_max)});
  }
  auto statement = open_statement(kind, note);
  if (!statement) return in_list(std::move(statement).error());
  if (statement->lines.empty() || statement->lines.front().name != "counter") {
    return in_list({ErrorCode::invalid, "the second line is not `counter`"});
  }
  SignedRevocations opened{.list = {}, .key = std::move(statement->key)};
  auto counter = parse_counter(statement->lines.front().value);
  if (!counter) return in_list(std::move(counter).error());
  opened.list.counter = *counter;
  for (std::size_t index = 1; index < statement->lines.size(); ++index) {
    if (auto added = add(opened.list, statement->lines[index]); !added) return in_list(std::move(added).error());
  }
  return opened;
}

}  // namespace trv::trust
