#include "kernel/trust/key_file.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include "events/keys/key_file.hpp"

namespace trv::trust {

using base::ErrorCode;

base::Result<note::SigningKey> make_key_file(const std::filesystem::path& path, std::string_view name,
                                             base::Random& random) {
  TRV_TRY_ASSIGN(note::SigningKey key, note::SigningKey::generate(name, random));
  std::string content = key.verifier().format() + "\n" + key.to_pem();
  const auto placed = keys::place_private_file(path, content, random);
  OPENSSL_cleanse(content.data(), content.size());
  if (!placed) return base::fail(placed.error());
  if (!*placed) {
    return base::fail(
        ErrorCode::conflict,
        fmt::format("{} is there already, and a key is never replaced; name another file", path.string()));
  }
  return key;
}

base::Result<note::SigningKey> read_key_file(const std::filesystem::path& path) {
  TRV_TRY_ASSIGN(base::Bytes bytes, keys::read_private_file(path));
  const std::string_view text = base::as_text(bytes);
  const std::size_t end = text.find('\n');
  const auto refuse = [&](std::string_view why) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("{} is not a key of `trav plugin keygen`: {}", path.string(), why));
  };
  if (end == std::string_view::npos) return refuse("it has less than two lines");
  const auto verifier = note::VerifierKey::parse(text.substr(0, end));
  if (!verifier) return refuse(verifier.error().message());
  auto key = note::SigningKey::from_pem(verifier->name(), text.substr(end + 1));
  OPENSSL_cleanse(bytes.data(), bytes.size());
  if (!key) return refuse(key.error().message());
  if (key->verifier() != *verifier) return refuse("its first line is the public key of another one");
  return key;
}

}  // namespace trv::trust
