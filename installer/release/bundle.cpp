#include "installer/release/bundle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "installer/release/document.hpp"
#include "sdk/base/file.hpp"
#include "sdk/base/file_copy.hpp"

namespace trv::release {
namespace {

using base::ErrorCode;
using std::filesystem::path;

constexpr std::size_t manifest_bytes_max = 10'000'000;
constexpr std::string_view manifest_name = "meta/manifest.json";
constexpr std::int64_t day_s = 86'400;

std::unexpected<base::Error> refuse(std::string_view why) {
  return base::fail(ErrorCode::invalid, fmt::format("{}: {}", manifest_name, why));
}

base::Result<std::string> read(const path& folder, std::string_view name, std::size_t bytes_max) {
  auto bytes = base::read_file(folder / name, bytes_max);
  if (!bytes) return base::fail(std::move(bytes).error());
  return std::string(base::as_text(*bytes));
}

bool stays_within(std::string_view name) {
  const path normal = path(name).lexically_normal();
  return !name.empty() && normal.string() == name && name != "." && !normal.is_absolute() && *normal.begin() != "..";
}

base::Result<BundleFile> file_of(const json::Value& value) {
  BundleFile file{.path = text_at(value, "path")};
  const std::string mode = text_at(value, "mode");
  const auto [end, error] = std::from_chars(mode.data(), mode.data() + mode.size(), file.mode, 8);
  const auto size = number_at(value, "size");
  const auto digest = base::from_hex(text_at(value, "sha256"));
  if (!stays_within(file.path)) return refuse(fmt::format("the path '{}' leaves the bundle", file.path));
  if (error != std::errc() || end != mode.data() + mode.size() || file.mode > 0777 || !size || *size < 0 || !digest ||
      digest->size() != file.sha256.size()) {
    return refuse(fmt::format("{}: size, mode or sha256 is missing or of another form", file.path));
  }
  file.size = static_cast<std::uint64_t>(*size);
  std::ranges::copy(*digest, file.sha256.begin());
  return file;
}

base::Status check_file(const path& at, const BundleFile& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(std::filesystem::symlink_status(at, error))) {
    return base::fail(ErrorCode::not_found, fmt::format("{} is missing; the manifest has it", at.string()));
  }
  TRV_TRY_ASSIGN(const base::FileDigest found, base::digest_file(at));
  if (found.bytes == file.size && found.sha256 == file.sha256) return {};
  return base::fail(
      ErrorCode::corrupt,
      fmt::format("{} is not what was released: {} bytes with SHA-256 {}; expected {} bytes with {}. Copy the "
                  "bundle again",
                  at.string(), found.bytes, base::to_hex(found.sha256), file.size, base::to_hex(file.sha256)));
}

base::Status check_nothing_else(const path& folder, const Manifest& manifest) {
  std::set<std::string, std::less<>> known;
  for (const BundleFile& file : manifest.files) known.insert(file.path);
  for (const std::string_view end : {"", ".ed25519", ".p256", ".asc"})
    known.insert(fmt::format("{}{}", manifest_name, end));
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().lexically_relative(folder).string();
    if (at->is_directory() && !at->is_symlink()) continue;
    if (!known.contains(name)) {
      return base::fail(
          ErrorCode::invalid,
          fmt::format("{} is not in the manifest; unpack the bundle into an empty folder", at->path().string()));
    }
  }
  if (error)
    return base::fail(ErrorCode::unavailable, fmt::format("{} cannot be read: {}", folder.string(), error.message()));
  return {};
}

/// The roots of the bundle one after the other, from the one that is remembered on.
base::Result<Root> newest_root(const path& folder, const Memory& memory, SignedRoot& newest) {
  std::optional<Root> root;
  newest = memory.root;
  if (!memory.root.text.empty()) {
    TRV_TRY_ASSIGN(root, Root::parse(memory.root.text));
    const auto same = read(folder, fmt::format("meta/{}.root.json", root->version), root_bytes_max);
    if (same && *same != memory.root.text) {
      return base::fail(ErrorCode::unauthenticated,
                        fmt::format("meta/{}.root.json is another one than this installation trusts: the bundle is of "
                                    "somebody else",
                                    root->version));
    }
  }
  for (int version = root ? root->version + 1 : 1;; ++version) {
    const std::string name = fmt::format("meta/{}.root.json", version);
    std::error_code error;
    if (version > 1 && !std::filesystem::exists(folder / name, error)) break;
    SignedRoot next;
    TRV_TRY_ASSIGN(next.text, read(folder, name, root_bytes_max));
    TRV_TRY_ASSIGN(next.signatures, read(folder, name + ".signatures", root_bytes_max));
    TRV_TRY_ASSIGN(root, follow(root ? &*root : nullptr, next));
    if (root->version != version)
      return base::fail(ErrorCode::invalid, fmt::format("{} says version {}", name, root->version));
    newest = next;
  }
  return *root;
}

base::Status check_signatures(const path& folder, const Root& root, std::string_view text) {
  const auto signature = [&](std::string_view end) {
    return read(folder, fmt::format("{}.{}", manifest_name, end), 10'000);
  };
  const auto wrong = [](std::string_view end, std::string_view why) {
    return base::fail(
        ErrorCode::unauthenticated,
        fmt::format("{}.{} {}; the bundle was changed, or is not of these keys", manifest_name, end, why));
  };
  TRV_TRY_ASSIGN(const std::string ed25519, signature("ed25519"));
  if (!verifies_ed25519(root.release_keys.ed25519, text, base::as_bytes(ed25519)))
    return wrong("ed25519", "does not match");
  TRV_TRY_ASSIGN(const std::string p256, signature("p256"));
  if (!verifies_p256(root.release_keys.p256, text, base::as_bytes(p256))) return wrong("p256", "does not match");
  TRV_TRY_ASSIGN(const std::string armour, signature("asc"));
  if (const auto status = verify_openpgp(root.release_keys.openpgp, text, armour); !status) {
    return wrong("asc", status.error().message());
  }
  return {};
}

}  // namespace

base::Result<Manifest> Manifest::parse(std::string_view text) {
  TRV_TRY_ASSIGN(const json::Value value, parse_document(text, manifest_name));
  if (text_at(value, "format") != "travertine-bundle/1") return refuse("its format is not travertine-bundle/1");
  Manifest manifest{.version = text_at(value, "version"),
                    .architecture = text_at(value, "architecture"),
                    .release_counter = number_at(value, "release_counter").value_or(-1),
                    .security_floor = number_at(value, "security_floor").value_or(-1),
                    .created = text_at(value, "created")};
  if (manifest.version.empty() ||
      manifest.version.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz.-") != std::string::npos ||
      manifest.version.front() == '.' || manifest.release_counter < 0 || manifest.security_floor < 0) {
    return refuse("version, release_counter or security_floor is missing or of another form");
  }
  const json::Value* schemas = value.find("event_schemas");
  const json::Value* reads = schemas == nullptr ? nullptr : array_at(*schemas, "reads");
  if (reads == nullptr || reads->size() != 2 || !reads->at(0).is_int() || !reads->at(1).is_int()) {
    return refuse("event_schemas is missing or of another form");
  }
  manifest.reads_schema_min = reads->at(0).as_int();
  manifest.reads_schema_max = reads->at(1).as_int();
  manifest.writes_schema = number_at(*schemas, "writes").value_or(0);
  const json::Value* files = array_at(value, "files");
  if (files == nullptr) return refuse("files is missing");
  std::set<std::string, std::less<>> names;
  for (const json::Value& one : files->items()) {
    TRV_TRY_ASSIGN(BundleFile file, file_of(one));
    if (!names.insert(file.path).second) return refuse(fmt::format("{} is there twice", file.path));
    manifest.files.push_back(std::move(file));
  }
  return manifest;
}

base::Result<Verified> verify(const path& folder, const Memory& memory, base::Timestamp now, Expired expired) {
  Verified out;
  TRV_TRY_ASSIGN(out.manifest_text, read(folder, manifest_name, manifest_bytes_max));
  TRV_TRY_ASSIGN(out.root, newest_root(folder, memory, out.root_text));
  TRV_TRY(check_signatures(folder, out.root, out.manifest_text));
  TRV_TRY_ASSIGN(out.manifest, Manifest::parse(out.manifest_text));
  if (out.manifest.architecture != "x86_64") {
    return base::fail(ErrorCode::invalid,
                      fmt::format("{}: is for {}; this host is x86_64", manifest_name, out.manifest.architecture));
  }
  if (out.manifest.release_counter < memory.release_counter) {
    return base::fail(
        ErrorCode::denied,
        fmt::format("release {} has the counter {}, and {} was installed here before: an older release is not "
                    "installed anew. `trav-installer rollback` goes back to a version that is kept",
                    out.manifest.version, out.manifest.release_counter, memory.release_counter));
  }
  if (now > out.root.expires) {
    const std::string text = fmt::format("the root file expired at {}; by this host's clock it is {}",
                                         out.root.expires.to_rfc3339(), now.to_rfc3339());
    if (expired == Expired::refused) {
      return base::fail(ErrorCode::denied,
                        text + ". Get a newer bundle, set the clock, or accept it with --accept-expired");
    }
    out.warnings.push_back(text + "; accepted");
  }
  if (const auto made = base::Timestamp::from_rfc3339(out.manifest.created);
      made && now + std::chrono::seconds(2 * day_s) < *made) {
    out.warnings.push_back(fmt::format("the bundle was made at {}, and this host's clock says {}: set the clock",
                                       out.manifest.created, now.to_rfc3339()));
  }
  for (const BundleFile& file : out.manifest.files) TRV_TRY(check_file(folder / file.path, file));
  TRV_TRY(check_nothing_else(folder, out.manifest));
  return out;
}

base::Status verify_tree(const path& tree, const Manifest& manifest) {
  for (const BundleFile& file : manifest.files) {
    if (file.path.starts_with("files/")) TRV_TRY(check_file(tree / file.path.substr(6), file));
  }
  return {};
}

}  // namespace trv::release
