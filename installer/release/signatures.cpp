#include "installer/release/signatures.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <optional>

#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/frees.hpp"

namespace trv::release {
namespace {

using base::Bytes;
using base::BytesView;
using base::ErrorCode;

using Key = std::unique_ptr<EVP_PKEY, base::Frees<EVP_PKEY_free>>;
using Context = std::unique_ptr<EVP_MD_CTX, base::Frees<EVP_MD_CTX_free>>;

bool verifies(EVP_PKEY* key, const EVP_MD* digest, std::string_view message, BytesView signature) {
  const Context context(EVP_MD_CTX_new());
  TRV_ASSERT(context != nullptr);
  const bool done = EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
                    EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                                     reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1;
  ERR_clear_error();
  return done;
}

void append_number(Bytes& out, std::uint64_t number, int bytes) {
  for (int at = bytes - 1; at >= 0; --at) out.push_back(static_cast<std::uint8_t>(number >> (8 * at)));
}

void append_integer(Bytes& out, BytesView value) {
  const auto first = std::ranges::find_if(value, [](std::uint8_t byte) { return byte != 0; });
  value = value.subspan(static_cast<std::size_t>(first - value.begin()));
  const std::size_t bits = value.empty() ? 0 : value.size() * 8 - static_cast<std::size_t>(std::countl_zero(value[0]));
  append_number(out, bits, 2);
  out.insert(out.end(), value.begin(), value.end());
}

Bytes key_packet(const OpenPgpKey& key) {
  constexpr std::uint8_t ed25519[] = {22, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01};
  Bytes out = {4};
  append_number(out, key.created, 4);
  out.insert(out.end(), std::begin(ed25519), std::end(ed25519));
  Bytes point = {0x40};
  point.insert(point.end(), key.key.begin(), key.key.end());
  append_integer(out, point);
  return out;
}

std::uint32_t crc24(BytesView bytes) {
  std::uint32_t crc = 0xb704ce;
  for (const std::uint8_t byte : bytes) {
    crc ^= std::uint32_t{byte} << 16;
    for (int bit = 0; bit < 8; ++bit) crc = (crc << 1) ^ ((crc & 0x800000) != 0 ? 0x1864cfbU : 0);
  }
  return crc & 0xffffff;
}

std::string armour_of(BytesView packet) {
  std::string out = "-----BEGIN PGP SIGNATURE-----\n\n";
  const std::string text = base::to_base64(packet);
  for (std::size_t at = 0; at < text.size(); at += 64) out += text.substr(at, 64) + "\n";
  Bytes check;
  append_number(check, crc24(packet), 3);
  return out + "=" + base::to_base64(check) + "\n-----END PGP SIGNATURE-----\n";
}

/// The base64 lines between the empty line and the check.
std::optional<Bytes> packet_in(std::string_view armour) {
  const std::size_t begin = armour.find("\n\n");
  const std::size_t end = armour.rfind("\n=");
  if (begin == std::string_view::npos || end == std::string_view::npos || end <= begin) return std::nullopt;
  std::string text;
  for (const char letter : armour.substr(begin + 2, end - begin - 2)) {
    if (letter != '\n') text += letter;
  }
  return base::from_base64(text);
}

/// Reads numbers of a packet one after the other.
class Cursor {
 public:
  explicit Cursor(BytesView bytes) : bytes_(bytes) {}
  std::optional<BytesView> take(std::size_t size) {
    if (bytes_.size() < size) return std::nullopt;
    const BytesView taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }
  std::optional<std::size_t> number(std::size_t size) {
    const auto taken = take(size);
    if (!taken) return std::nullopt;
    std::size_t out = 0;
    for (const std::uint8_t byte : *taken) out = out << 8 | byte;
    return out;
  }
  /// Of at most 256 bits, into 32 bytes.
  bool integer(std::uint8_t* out) {
    const auto bits = number(2);
    if (!bits || *bits > 256) return false;
    const auto value = take((*bits + 7) / 8);
    if (!value) return false;
    std::fill(out, out + 32, std::uint8_t{0});
    std::ranges::copy(*value, out + 32 - value->size());
    return true;
  }

 private:
  BytesView bytes_;
};

/// A signature packet of the one form that is written: its creation time is free, all else follows from the key.
Bytes packet_of(const OpenPgpKey& key, std::size_t created, BytesView signature, std::string_view message,
                Bytes& digest) {
  const Bytes fingerprint = key.fingerprint();
  Bytes begin = {4, 0x00, 22, 8, 0, 6 + 23, 5, 2};
  append_number(begin, created, 4);
  begin.insert(begin.end(), {0x16, 0x21, 4});
  begin.insert(begin.end(), fingerprint.begin(), fingerprint.end());
  begin[5] = static_cast<std::uint8_t>(begin.size() - 6);
  Bytes trailer = {4, 0xff};
  append_number(trailer, begin.size(), 4);
  const base::Digest hashed = base::sha256({base::as_bytes(message), BytesView(begin), BytesView(trailer)});
  digest.assign(hashed.begin(), hashed.end());
  Bytes body = begin;
  body.insert(body.end(), {0, 10, 9, 0x10});
  body.insert(body.end(), fingerprint.end() - 8, fingerprint.end());
  body.insert(body.end(), hashed.begin(), hashed.begin() + 2);
  append_integer(body, signature.first(32));
  append_integer(body, signature.last(32));
  Bytes out = {0xc2, static_cast<std::uint8_t>(body.size())};
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

}  // namespace

bool verifies_ed25519(BytesView key, std::string_view message, BytesView signature) {
  if (key.size() != 32 || signature.size() != 64) return false;
  const Key made(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
  return made != nullptr && verifies(made.get(), nullptr, message, signature);
}

bool verifies_p256(BytesView key, std::string_view message, BytesView signature) {
  const unsigned char* at = key.data();
  const Key made(d2i_PUBKEY(nullptr, &at, static_cast<long>(key.size())));
  ERR_clear_error();
  if (made == nullptr || at != key.data() + key.size()) return false;
  std::array<char, 32> group{};
  if (EVP_PKEY_get_group_name(made.get(), group.data(), group.size(), nullptr) != 1 ||
      std::string_view(group.data()) != "prime256v1") {
    return false;
  }
  return verifies(made.get(), EVP_sha256(), message, signature);
}

Bytes OpenPgpKey::fingerprint() const {
  const Bytes body = key_packet(*this);
  Bytes hashed = {0x99};
  append_number(hashed, body.size(), 2);
  hashed.insert(hashed.end(), body.begin(), body.end());
  Bytes out(20);
  TRV_ASSERT(EVP_Digest(hashed.data(), hashed.size(), out.data(), nullptr, EVP_sha1(), nullptr) == 1);
  return out;
}

base::Status verify_openpgp(const OpenPgpKey& key, std::string_view message, std::string_view armour) {
  const auto packet = packet_in(armour);
  Cursor cursor(packet ? BytesView(*packet) : BytesView());
  Bytes signature(64);
  // Header, version, type, algorithms, size of what is hashed, head of the time.
  const bool begins = cursor.take(2 + 4 + 2 + 2).has_value();
  const auto created = cursor.number(4);
  const bool ends = cursor.take(3 + 20 + 2 + 10 + 2).has_value() && cursor.integer(signature.data()) &&
                    cursor.integer(signature.data() + 32);
  if (!begins || !created || !ends) {
    return base::fail(ErrorCode::invalid, "is not an OpenPGP signature of the form that bundles have");
  }
  Bytes digest;
  if (armour_of(packet_of(key, *created, signature, message, digest)) != armour) {
    return base::fail(ErrorCode::unauthenticated, "is of another key or another text, or was changed");
  }
  if (!verifies_ed25519(key.key, base::as_text(digest), signature)) {
    return base::fail(ErrorCode::unauthenticated, "does not match");
  }
  return {};
}

}  // namespace trv::release
