#include "installer/release/root.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "installer/release/document.hpp"
#include "sdk/base/digest.hpp"

namespace trv::release {
namespace {

using base::Bytes;
using base::ErrorCode;

std::unexpected<base::Error> refuse(std::string_view why) {
  return base::fail(ErrorCode::invalid, fmt::format("root file: {}", why));
}

std::string id_of(const Bytes& key) {
  return base::to_hex(base::sha256(key)).substr(0, 16);
}

std::optional<Bytes> key_in(const json::Value& value) {
  return base::from_base64(text_at(value, "key"));
}

std::size_t count_of(const Root& root, const json::Value& signatures, std::string_view message) {
  std::set<std::string, std::less<>> counted;
  for (const json::Value& signature : signatures.items()) {
    const std::string id = text_at(signature, "key");
    const auto key = std::ranges::find(root.root_keys, id, &RootKey::id);
    const auto bytes = base::from_base64(text_at(signature, "signature"));
    if (key != root.root_keys.end() && bytes && verifies_ed25519(key->key, message, *bytes)) counted.insert(id);
  }
  return counted.size();
}

base::Status check_all_known(const Root* before, const Root& root, const json::Value& signatures,
                             std::string_view message) {
  for (const json::Value& signature : signatures.items()) {
    const json::Value alone = json::Value::array({signature});
    if (count_of(root, alone, message) == 0 && (before == nullptr || count_of(*before, alone, message) == 0)) {
      return base::fail(
          ErrorCode::unauthenticated,
          fmt::format("root file {}: the signature of key '{}' does not match, or no root file names that key",
                      root.version, text_at(signature, "key")));
    }
  }
  return {};
}

}  // namespace

base::Result<Root> Root::parse(std::string_view text) {
  TRV_TRY_ASSIGN(const json::Value value, parse_canonical(text, "root file"));
  if (text_at(value, "format") != "travertine-root/1") return refuse("its format is not travertine-root/1");
  Root root;
  const auto version = number_at(value, "version");
  const auto threshold = number_at(value, "threshold");
  const auto expires = base::Timestamp::from_rfc3339(text_at(value, "expires"));
  const json::Value* root_keys = array_at(value, "root_keys");
  const json::Value* release_keys = array_at(value, "release_keys");
  const json::Value* revoked = array_at(value, "revoked");
  if (!version || *version < 1 || *version > 1'000'000 || !threshold || !expires || root_keys == nullptr ||
      release_keys == nullptr || revoked == nullptr) {
    return refuse("version, threshold, expires, root_keys, release_keys or revoked is missing or of another kind");
  }
  root.version = static_cast<int>(*version);
  root.expires = *expires;
  root.threshold = static_cast<std::size_t>(std::max<std::int64_t>(*threshold, 0));
  for (const json::Value& key : root_keys->items()) {
    const auto bytes = key_in(key);
    if (!bytes || bytes->size() != 32 || id_of(*bytes) != text_at(key, "id"))
      return refuse("a root key is not Ed25519 with its id");
    if (std::ranges::count(root.root_keys, id_of(*bytes), &RootKey::id) > 0) return refuse("a root key is there twice");
    root.root_keys.push_back({.id = id_of(*bytes), .key = *bytes});
  }
  if (root.threshold < 2 || root.root_keys.size() < root.threshold) {
    return refuse(fmt::format("{} of {} root keys are needed; at least 2, and as many as there are at most",
                              root.threshold, root.root_keys.size()));
  }
  for (const json::Value& id : revoked->items()) root.revoked.emplace_back(id.is_string() ? id.as_string() : "");
  for (const json::Value& key : release_keys->items()) {
    const auto bytes = key_in(key);
    const std::string algorithm = text_at(key, "algorithm");
    if (!bytes || id_of(*bytes) != text_at(key, "id")) return refuse("a release key has another id than its own");
    if (std::ranges::count(root.revoked, id_of(*bytes)) > 0)
      return refuse(fmt::format("the release key {} is revoked", id_of(*bytes)));
    root.release_key_ids.push_back(id_of(*bytes));
    if (algorithm == "ed25519") root.release_keys.ed25519 = *bytes;
    if (algorithm == "p256") root.release_keys.p256 = *bytes;
    if (algorithm == "openpgp") {
      root.release_keys.openpgp = {.key = *bytes,
                                   .created = static_cast<std::uint32_t>(number_at(key, "created").value_or(0))};
      if (base::to_hex(root.release_keys.openpgp.fingerprint()) != text_at(key, "fingerprint")) {
        return refuse("the fingerprint of the OpenPGP key is another one");
      }
    }
  }
  if (root.release_keys.ed25519.empty() || root.release_keys.p256.empty() || root.release_keys.openpgp.key.empty()) {
    return refuse("a release key is missing; there is one each for ed25519, p256 and openpgp");
  }
  return root;
}

base::Result<Root> follow(const Root* before, const SignedRoot& next) {
  TRV_TRY_ASSIGN(Root root, Root::parse(next.text));
  TRV_TRY_ASSIGN(const json::Value signatures, parse_canonical(next.signatures, "signatures of a root file"));
  const int expected = before == nullptr ? root.version : before->version + 1;
  if (root.version != expected)
    return refuse(fmt::format("version {} follows {}; expected {}", root.version, expected - 1, expected));
  if (!signatures.is_array()) return refuse("its signatures are not a list");
  TRV_TRY(check_all_known(before, root, signatures, next.text));
  const auto need = [&](const Root& by, std::string_view whose) -> base::Status {
    const std::size_t count = count_of(by, signatures, next.text);
    if (count >= by.threshold) return {};
    return base::fail(ErrorCode::unauthenticated, fmt::format("root file {}: signed by {} of {} keys; {} are needed",
                                                              root.version, count, whose, by.threshold));
  };
  TRV_TRY(need(root, "its own"));
  if (before != nullptr) TRV_TRY(need(*before, "the version before's"));
  return root;
}

}  // namespace trv::release
