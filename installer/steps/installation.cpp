#include "installer/steps/installation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "installer/release/document.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/file.hpp"

namespace trv::steps {
namespace {

using base::ErrorCode;
using base::Status;
using std::filesystem::path;

constexpr std::size_t small_file_bytes_max = 1'000'000;

std::string name_behind(const path& link) {
  std::error_code error;
  const path target = std::filesystem::read_symlink(link, error);
  return error ? std::string() : target.filename().string();
}

/// Empty where there is no such file.
base::Result<std::string> read_if_there(const path& file) {
  auto bytes = base::read_file(file, small_file_bytes_max);
  if (!bytes && bytes.error().code() == ErrorCode::not_found) return std::string();
  if (!bytes) return base::fail(std::move(bytes).error());
  return std::string(base::as_text(*bytes));
}

}  // namespace

std::string Installation::current() const {
  return name_behind(places_.current());
}

std::string Installation::previous() const {
  return name_behind(places_.previous());
}

std::vector<std::string> Installation::versions() const {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(places_.programs(), error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with('.') && entry.is_directory() && !entry.is_symlink()) out.push_back(name);
  }
  std::ranges::sort(out);
  return out;
}

base::Result<release::Memory> Installation::memory() const {
  TRV_TRY_ASSIGN(const std::string text, read_if_there(places_.memory()));
  release::Memory memory;
  if (text.empty()) return memory;
  TRV_TRY_ASSIGN(const json::Value value, release::parse_document(text, places_.memory().string()));
  memory.root = {.text = release::text_at(value, "root"), .signatures = release::text_at(value, "root_signatures")};
  memory.release_counter = release::number_at(value, "release_counter").value_or(0);
  memory.security_floor = release::number_at(value, "security_floor").value_or(0);
  if (!memory.root.text.empty()) return memory;
  return base::fail(ErrorCode::invalid,
                    fmt::format("{}: has no root; restore the file from a backup", places_.memory().string()));
}

base::Result<std::optional<Pending>> Installation::pending() const {
  TRV_TRY_ASSIGN(const std::string text, read_if_there(places_.pending()));
  if (text.empty()) return std::nullopt;
  TRV_TRY_ASSIGN(const json::Value value, release::parse_document(text, places_.pending().string()));
  return Pending{.from = release::text_at(value, "from"), .to = release::text_at(value, "to")};
}

base::Result<release::Manifest> Installation::manifest_of(std::string_view version) const {
  TRV_TRY_ASSIGN(const base::Bytes text,
                 base::read_file(places_.version(version) / "meta/manifest.json", 10 * small_file_bytes_max));
  return release::Manifest::parse(base::as_text(text));
}

Status Installation::put(const path& bundle, const release::Verified& verified) {
  const release::Manifest& manifest = verified.manifest;
  const path target = places_.version(manifest.version);
  std::error_code error;
  if (std::filesystem::exists(target, error)) {
    const auto installed = manifest_of(manifest.version);
    const Status whole = release::verify_tree(target, manifest);
    if (whole && installed) return {};
    if (manifest.version == current()) {
      return base::fail(ErrorCode::conflict,
                        fmt::format("the current version {} is damaged ({}); install another version first",
                                    manifest.version, whole ? "its manifest" : whole.error().message()));
    }
    TRV_TRY(changes_.remove(target));
  }
  TRV_TRY(changes_.make_folder(places_.programs(), 0755));
  TRV_TRY(changes_.remove(places_.incoming()));
  const Status filled = fill_incoming(bundle, verified);
  if (filled) return changes_.rename(places_.incoming(), target);
  // Its room is what others need now; the reason counts, and not whether this succeeds.
  static_cast<void>(changes_.remove(places_.incoming()));
  return filled;
}

Status Installation::fill_incoming(const path& bundle, const release::Verified& verified) {
  const path incoming = places_.incoming();
  std::set<path> folders;
  for (const release::BundleFile& file : verified.manifest.files) {
    if (!file.path.starts_with("files/") && !file.path.starts_with("meta/")) continue;
    const path to = incoming / (file.path.starts_with("files/") ? file.path.substr(6) : file.path);
    if (folders.insert(to.parent_path()).second) TRV_TRY(changes_.make_folder(to.parent_path(), 0755));
    TRV_TRY(changes_.copy(bundle / file.path, to, file.mode, file.sha256));
  }
  TRV_TRY(changes_.make_folder(incoming / "meta", 0755));
  return changes_.write(incoming / "meta/manifest.json", verified.manifest_text, 0644);
}

Status Installation::flip(std::string_view to) {
  const std::string from = current();
  TRV_TRY_ASSIGN(const std::optional<Pending> begun, pending());
  // What a flip that was broken off began with is still the way back.
  const std::string back = begun && begun->to == to ? begun->from : from;
  if (from == to && !begun) return {};
  TRV_TRY(changes_.write(places_.pending(),
                         json::serialize(json::Value{{"from", back}, {"to", std::string(to)}}) + "\n", 0644));
  return changes_.link(places_.current(), std::string(to));
}

Status Installation::confirm(const release::Verified* verified, std::string_view note) {
  TRV_TRY_ASSIGN(const std::optional<Pending> begun, pending());
  if (begun && !begun->from.empty() && begun->from != begun->to) {
    TRV_TRY(changes_.link(places_.previous(), begun->from));
  }
  if (verified != nullptr) {
    TRV_TRY_ASSIGN(const release::Memory before, memory());
    const json::Value value{{"root", verified->root_text.text},
                            {"root_signatures", verified->root_text.signatures},
                            {"release_counter", std::max(before.release_counter, verified->manifest.release_counter)},
                            {"security_floor", std::max(before.security_floor, verified->manifest.security_floor)}};
    TRV_TRY(changes_.write(places_.memory(), json::serialize(value) + "\n", 0644));
  }
  TRV_TRY(append_history(note));
  return changes_.remove(places_.pending());
}

Status Installation::go_back(std::string_view note) {
  TRV_TRY_ASSIGN(const std::optional<Pending> begun, pending());
  if (!begun) return {};
  if (begun->from.empty()) TRV_TRY(changes_.remove(places_.current()));
  if (!begun->from.empty()) TRV_TRY(changes_.link(places_.current(), begun->from));
  TRV_TRY(append_history(note));
  return changes_.remove(places_.pending());
}

Status Installation::remove_old() {
  for (const std::string& version : versions()) {
    if (version != current() && version != previous()) TRV_TRY(changes_.remove(places_.version(version)));
  }
  return {};
}

Status Installation::append_history(std::string_view note) {
  TRV_TRY_ASSIGN(std::string text, read_if_there(places_.history()));
  constexpr std::size_t kept = 100'000;
  if (text.size() > kept) text.erase(0, text.find('\n', text.size() - kept) + 1);
  return changes_.write(places_.history(), text + std::string(note) + "\n", 0644);
}

Status check_schemas(const release::Manifest& from, const release::Manifest& to) {
  if (to.reads_schema_min > from.writes_schema || to.reads_schema_max < from.writes_schema) {
    return base::fail(
        ErrorCode::denied,
        fmt::format("{} writes events of schema {}, and {} reads {} to {}: install a version between them first",
                    from.version, from.writes_schema, to.version, to.reads_schema_min, to.reads_schema_max));
  }
  if (from.reads_schema_max < to.writes_schema) {
    return base::fail(
        ErrorCode::denied,
        fmt::format("{} writes events of schema {}, which {} cannot read: there would be no way back. Accept that "
                    "with --no-way-back",
                    to.version, to.writes_schema, from.version));
  }
  return {};
}

}  // namespace trv::steps
