#include "kernel/mirror/mirror.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <system_error>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/mirror/archive.hpp"
#include "kernel/trust/revocations.hpp"
#include "kernel/trust/signatures.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"
#include "sdk/package/package.hpp"

namespace trv::mirror {
namespace {

namespace filesystem = std::filesystem;
using base::Bytes;
using base::BytesView;
using base::ErrorCode;
using base::Result;
using base::Status;

constexpr std::size_t key_bytes_max = 1'024;
constexpr std::string_view index_name = "index.json";
constexpr std::string_view list_start = "travertine revocations ";
constexpr const char* folders[] = {"keys", "packages", "revocations"};

struct Entry {
  std::size_t bytes = 0;
  base::Digest sha256{};
};
using Index = std::map<std::string, Entry, std::less<>>;

std::string printable(std::string_view path) {
  std::string shown;
  for (const char c : path.substr(0, 120)) shown += c > ' ' && c <= '~' ? c : '?';
  return shown;
}

Result<std::string> place_of_key(std::string_view text) {
  const bool has_end = text.ends_with('\n');
  TRV_TRY_ASSIGN(const note::VerifierKey key,
                 note::VerifierKey::parse(text.substr(0, text.size() - (has_end ? 1 : 0))));
  if (!has_end || key.format() + "\n" != text) {
    return base::fail(ErrorCode::invalid, "it is not a public key and one line end");
  }
  return fmt::format("keys/{:08x}.pub", key.id());
}

/// Only what place_of accepted under this very name gets here, so that no path of an archive leaves the folder.
Status check_place(const std::string& path, BytesView bytes) {
  auto place = place_of(bytes);
  if (!place) return base::fail(std::move(place).error().in(fmt::format("mirror: file {}", printable(path))));
  if (*place == path) return {};
  return base::fail(ErrorCode::invalid,
                    fmt::format("mirror: file {} belongs in {} by its content", printable(path), *place));
}

enum class What { write, keep };

/// What becomes of a file that belongs in `path`.
Result<What> what_of(const filesystem::path& folder, const std::string& path, BytesView bytes) {
  const auto present = base::read_file(folder / path, package::package_bytes_max);
  if (!present) {
    if (present.error().code() == ErrorCode::not_found) return What::write;
    return base::fail(present.error());
  }
  if (std::ranges::equal(*present, bytes)) return What::keep;
  if (const Status is_whole = check_place(path, *present); !is_whole) {
    return base::fail(ErrorCode::corrupt, fmt::format("{} is damaged; remove it, and do this again: {}",
                                                      (folder / path).string(), is_whole.error().message()));
  }
  if (!path.starts_with("revocations/")) {
    return base::fail(ErrorCode::conflict,
                      fmt::format("mirror: {} is there with other content; a version of a package never changes: give "
                                  "one of them another version, or import into another folder",
                                  (folder / path).string()));
  }
  TRV_TRY_ASSIGN(const auto before, trust::open_revocations(base::as_text(*present)));
  TRV_TRY_ASSIGN(const auto after, trust::open_revocations(base::as_text(bytes)));
  return after.list.counter > before.list.counter ? What::write : What::keep;
}

Status write(const filesystem::path& folder, const std::string& path, BytesView bytes) {
  const filesystem::path target = folder / path;
  std::error_code error;
  filesystem::create_directories(target.parent_path(), error);
  if (error) {
    return base::fail(ErrorCode::unavailable, fmt::format("{}: {}", target.parent_path().string(), error.message()));
  }
  return base::write_file(target, ".part", bytes, 0644);
}

/// The paths of a mirror's files, sorted.
Result<std::vector<std::string>> paths_in(const filesystem::path& folder) {
  std::error_code error;
  if (!filesystem::is_directory(folder, error)) {
    return base::fail(ErrorCode::not_found, fmt::format("mirror: no folder {}", folder.string()));
  }
  std::vector<std::string> paths;
  for (const char* name : folders) {
    if (!filesystem::is_directory(folder / name, error)) continue;
    filesystem::directory_iterator entries(folder / name, error);
    for (; !error && entries != filesystem::directory_iterator(); entries.increment(error)) {
      // What an import that was cut off has left.
      if (entries->path().filename() == ".part") continue;
      paths.push_back(fmt::format("{}/{}", name, entries->path().filename().string()));
    }
    if (error) {
      return base::fail(ErrorCode::unavailable, fmt::format("{}: {}", (folder / name).string(), error.message()));
    }
  }
  if (paths.size() > files_max) {
    return base::fail(ErrorCode::too_large,
                      fmt::format("mirror: {} has more than {} files", folder.string(), files_max));
  }
  std::ranges::sort(paths);
  return paths;
}

Result<Bytes> read_checked(const filesystem::path& folder, const std::string& path) {
  TRV_TRY_ASSIGN(Bytes bytes, base::read_file(folder / path, package::package_bytes_max));
  TRV_TRY(check_place(path, bytes));
  return bytes;
}

std::string index_text(const Index& index) {
  json::Value files = json::Value::array();
  for (const auto& [path, entry] : index) {
    files.push_back(
        {{"path", path}, {"bytes", static_cast<std::uint64_t>(entry.bytes)}, {"sha256", base::to_hex(entry.sha256)}});
  }
  return json::serialize({{"mirror", 1}, {"files", std::move(files)}}) + "\n";
}

/// Goes through an archive: the index first, then each file of it, which is what the index says, to `take`.
Status for_each(const filesystem::path& file, const std::function<Status(const std::string&, const Bytes&)>& take) {
  TRV_TRY_ASSIGN(ArchiveReader reader, ArchiveReader::open(file));
  TRV_TRY_ASSIGN(const auto first, reader.next());
  if (!first || first->path != index_name) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("{} is not a mirror: its first file is not {}", file.string(), index_name));
  }
  Index index;
  while (true) {
    TRV_TRY_ASSIGN(const auto next, reader.next());
    if (!next) break;
    if (!index.empty() && next->path <= index.rbegin()->first) {
      return base::fail(ErrorCode::invalid, fmt::format("mirror: file {} is not in order", printable(next->path)));
    }
    if (index.size() == files_max) {
      return base::fail(ErrorCode::too_large, fmt::format("mirror: more than {} files", files_max));
    }
    index[next->path] = {next->bytes.size(), base::sha256(next->bytes)};
    TRV_TRY(take(next->path, next->bytes));
  }
  // One text for one index: what is missing, too much or other differs here.
  if (base::as_text(first->bytes) == index_text(index)) return {};
  return base::fail(ErrorCode::corrupt, fmt::format("{}: its files are not those of its index; it is damaged: fetch it "
                                                    "again",
                                                    file.string()));
}

}  // namespace

Result<std::string> place_of(BytesView bytes) {
  const std::string_view text = base::as_text(bytes);
  if (text.starts_with(list_start)) {
    TRV_TRY_ASSIGN(const auto list, trust::open_revocations(text));
    return fmt::format("revocations/{:08x}.list", list.key.id());
  }
  if (bytes.size() <= key_bytes_max && text.find('\0') == std::string_view::npos) return place_of_key(text);
  TRV_TRY_ASSIGN(const package::Package package, package::read(bytes));
  TRV_TRY(trust::verify(package));
  return fmt::format("packages/{}-{}.trvp", package.manifest.id, package.manifest.version);
}

Result<Placed> add(const filesystem::path& folder, const std::vector<filesystem::path>& files) {
  // Twice through the files instead of all of them in memory.
  for (const bool writes : {false, true}) {
    Placed placed;
    std::map<std::string, base::Digest> taken;
    for (const filesystem::path& file : files) {
      TRV_TRY_ASSIGN(const Bytes bytes, base::read_file(file, package::package_bytes_max));
      auto place = place_of(bytes);
      if (!place) return base::fail(std::move(place).error().in(file.string()));
      const auto [first, is_first] = taken.emplace(*place, base::sha256(bytes));
      if (!is_first && first->second != base::sha256(bytes)) {
        return base::fail(ErrorCode::conflict,
                          fmt::format("{}: another file belongs in {}, too", file.string(), *place));
      }
      TRV_TRY_ASSIGN(const What what, what_of(folder, *place, bytes));
      ++(what == What::write ? placed.written : placed.kept);
      if (writes && what == What::write) TRV_TRY(write(folder, *place, bytes));
    }
    if (writes) return placed;
  }
  return base::fail(ErrorCode::internal, "mirror: add");
}

Result<std::size_t> export_to(const filesystem::path& folder, const filesystem::path& file) {
  TRV_TRY_ASSIGN(const auto paths, paths_in(folder));
  Index index;
  for (const std::string& path : paths) {
    TRV_TRY_ASSIGN(const Bytes bytes, read_checked(folder, path));
    index[path] = {bytes.size(), base::sha256(bytes)};
  }
  filesystem::path part = file;
  part += ".part";
  TRV_TRY_ASSIGN(ArchiveWriter writer, ArchiveWriter::create(part));
  const std::string text = index_text(index);
  TRV_TRY(writer.add(index_name, base::as_bytes(text)));
  for (const auto& [path, entry] : index) {
    TRV_TRY_ASSIGN(const Bytes bytes, base::read_file(folder / path, package::package_bytes_max));
    if (base::sha256(bytes) != entry.sha256) {
      return base::fail(ErrorCode::conflict,
                        fmt::format("{} changed meanwhile; export again", (folder / path).string()));
    }
    TRV_TRY(writer.add(path, bytes));
  }
  TRV_TRY(writer.finish());
  TRV_TRY(base::sync_file(part));
  std::error_code error;
  filesystem::rename(part, file, error);
  if (error) return base::fail(ErrorCode::unavailable, fmt::format("{}: {}", file.string(), error.message()));
  return paths.size();
}

Result<Placed> import_from(const filesystem::path& file, const filesystem::path& folder) {
  Index checked;
  const auto check = [&](const std::string& path, const Bytes& bytes) -> Status {
    TRV_TRY(check_place(path, bytes));
    TRV_TRY(what_of(folder, path, bytes));
    checked[path] = {bytes.size(), base::sha256(bytes)};
    return {};
  };
  TRV_TRY(for_each(file, check));
  Placed placed;
  const auto put = [&](const std::string& path, const Bytes& bytes) -> Status {
    const auto before = checked.find(path);
    if (before == checked.end() || before->second.sha256 != base::sha256(bytes)) {
      return base::fail(ErrorCode::conflict, fmt::format("{} changed meanwhile; import again", file.string()));
    }
    TRV_TRY_ASSIGN(const What what, what_of(folder, path, bytes));
    ++(what == What::write ? placed.written : placed.kept);
    return what == What::write ? write(folder, path, bytes) : Status();
  };
  TRV_TRY(for_each(file, put));
  return placed;
}

Result<std::vector<Listed>> search(const filesystem::path& folder, std::string_view text) {
  const auto lower = [](std::string_view mixed) {
    std::string small(mixed);
    for (char& c : small) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return small;
  };
  const std::string sought = lower(text);
  TRV_TRY_ASSIGN(const auto paths, paths_in(folder));
  std::vector<Listed> found;
  for (const std::string& path : paths) {
    if (!path.starts_with("packages/")) continue;
    TRV_TRY_ASSIGN(const Bytes bytes, read_checked(folder, path));
    TRV_TRY_ASSIGN(const package::Package package, package::read(bytes));
    TRV_TRY_ASSIGN(const trust::Signers signers, trust::verify(package));
    const package::Manifest& manifest = package.manifest;
    if (!lower(manifest.id + "\n" + manifest.title + "\n" + manifest.summary).contains(sought)) continue;
    found.push_back({.id = manifest.id,
                     .version = manifest.version,
                     .title = manifest.title,
                     .summary = manifest.summary,
                     .publisher = signers.publisher ? signers.publisher->name() : "",
                     .level = signers.certificate ? std::string(to_string(signers.certificate->finding.level)) : "",
                     .content_sha256 = base::to_hex(package.content),
                     .file = folder / path});
  }
  return found;
}

}  // namespace trv::mirror
