#include "kernel/trust/signatures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "kernel/trust/statement.hpp"
#include "sdk/base/contract.hpp"

namespace trv::trust {
namespace {

using base::ErrorCode;

constexpr std::string_view publisher_kind = "travertine package publisher 1";
constexpr std::string_view certifier_kind = "travertine package certifier 1";
constexpr std::array<std::string_view, 3> publisher_lines = {"plugin", "version", "content"};
constexpr std::array<std::string_view, 7> certifier_lines = {"plugin", "version", "content", "publisher",
                                                             "level",  "report",  "expires"};
constexpr std::array<std::pair<Level, std::string_view>, 5> levels = {{{Level::core, "core"},
                                                                       {Level::certified, "certified"},
                                                                       {Level::community, "community"},
                                                                       {Level::private_, "private"},
                                                                       {Level::dev, "dev"}}};
constexpr std::string_view none = "none";
constexpr std::string_view never = "never";

std::vector<Line> lines_about(const package::Package& package) {
  return {{"plugin", package.manifest.id},
          {"version", package.manifest.version},
          {"content", base::to_hex(package.content)}};
}

std::string digest_text(std::string_view text) {
  return base::to_hex(base::sha256(base::as_bytes(text)));
}

base::Status check_about(const package::Package& package, const std::vector<std::string>& values) {
  const std::vector<Line> expected = lines_about(package);
  for (std::size_t index = 0; index < expected.size(); ++index) {
    if (values[index] == expected[index].value) continue;
    return base::fail(ErrorCode::invalid, fmt::format("it is about {} {}, and this package has {}; sign it again",
                                                      expected[index].name, values[index], expected[index].value));
  }
  return {};
}

base::Result<std::optional<base::Digest>> report_of(const std::string& text) {
  if (text == none) return std::nullopt;
  const auto bytes = base::from_hex(text);
  base::Digest digest{};
  if (!bytes || bytes->size() != digest.size() || base::to_hex(*bytes) != text) {
    return base::fail(ErrorCode::invalid, fmt::format("report {} is not 64 hexadecimal digits in lower case", text));
  }
  std::ranges::copy(*bytes, digest.begin());
  return digest;
}

base::Result<std::optional<base::Timestamp>> expiry_of(const std::string& text) {
  if (text == never) return std::nullopt;
  const auto time = base::Timestamp::from_rfc3339(text);
  if (!time || expiry_text(time) != text) {
    return base::fail(ErrorCode::invalid, fmt::format("expires {} is not a time as 2027-11-30T00:00:00Z", text));
  }
  return time;
}

base::Result<note::VerifierKey> read_publisher(const package::Package& package) {
  TRV_TRY_ASSIGN(Statement statement, open_statement(publisher_kind, package.signatures.publisher));
  TRV_TRY_ASSIGN(const auto values, values_of(statement, publisher_lines));
  TRV_TRY(check_about(package, values));
  return std::move(statement.key);
}

base::Result<Certificate> read_certificate(const package::Package& package) {
  TRV_TRY_ASSIGN(Statement statement, open_statement(certifier_kind, package.signatures.certifier));
  TRV_TRY_ASSIGN(const auto values, values_of(statement, certifier_lines));
  TRV_TRY(check_about(package, values));
  if (values[3] != digest_text(package.signatures.publisher)) {
    return base::fail(ErrorCode::invalid, "it is about another publisher's signature; countersign it again");
  }
  const auto level = level_of(values[4]);
  if (!level) return base::fail(ErrorCode::invalid, fmt::format("level {} is not known", values[4]));
  TRV_TRY_ASSIGN(auto report, report_of(values[5]));
  TRV_TRY_ASSIGN(auto expires, expiry_of(values[6]));
  return Certificate{.key = std::move(statement.key),
                     .finding = {.level = *level, .report = report, .expires = expires}};
}

base::Error in_file(base::Error error, const package::Package& package, std::string_view file) {
  return std::move(error).in(
      fmt::format("package {} {}: signatures/{}", package.manifest.id, package.manifest.version, file));
}

}  // namespace

std::string_view to_string(Level level) noexcept {
  const auto* found = std::ranges::find(levels, level, &std::pair<Level, std::string_view>::first);
  TRV_ASSERT(found != levels.end());
  return found->second;
}

std::optional<Level> level_of(std::string_view word) noexcept {
  const auto* found = std::ranges::find(levels, word, &std::pair<Level, std::string_view>::second);
  return found == levels.end() ? std::nullopt : std::optional(found->first);
}

std::string expiry_text(const std::optional<base::Timestamp>& expires) {
  constexpr std::size_t to_the_second = std::string_view("2027-11-30T00:00:00").size();
  return expires ? expires->to_rfc3339().substr(0, to_the_second) + "Z" : std::string(never);
}

base::Result<Signers> verify(const package::Package& package) {
  Signers signers;
  if (package.signatures.publisher.empty()) return signers;
  auto publisher = read_publisher(package);
  if (!publisher) return base::fail(in_file(std::move(publisher).error(), package, "publisher.note"));
  signers.publisher = *std::move(publisher);
  if (package.signatures.certifier.empty()) return signers;
  auto certificate = read_certificate(package);
  if (!certificate) return base::fail(in_file(std::move(certificate).error(), package, "certifier.note"));
  signers.certificate = *std::move(certificate);
  return signers;
}

base::Result<base::Bytes> sign(base::BytesView archive, const note::SigningKey& key) {
  TRV_TRY_ASSIGN(const package::Package package, package::read(archive));
  package::Signatures signatures = package.signatures;
  TRV_TRY_ASSIGN(signatures.publisher, sign_statement(publisher_kind, lines_about(package), key));
  if (signatures.publisher != package.signatures.publisher) signatures.certifier.clear();
  return package::with_signatures(archive, signatures);
}

base::Result<base::Bytes> countersign(base::BytesView archive, const Finding& finding, const note::SigningKey& key) {
  TRV_TRY_ASSIGN(const package::Package package, package::read(archive));
  TRV_TRY_ASSIGN(const Signers signers, verify(package));
  if (!signers.publisher) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("package {} {}: no publisher has signed it; `trav plugin sign` comes first",
                                  package.manifest.id, package.manifest.version));
  }
  std::vector<Line> lines = lines_about(package);
  lines.push_back({"publisher", digest_text(package.signatures.publisher)});
  lines.push_back({"level", std::string(to_string(finding.level))});
  lines.push_back({"report", finding.report ? base::to_hex(*finding.report) : std::string(none)});
  lines.push_back({"expires", expiry_text(finding.expires)});
  package::Signatures signatures = package.signatures;
  TRV_TRY_ASSIGN(signatures.certifier, sign_statement(certifier_kind, lines, key));
  return package::with_signatures(archive, signatures);
}

}  // namespace trv::trust
