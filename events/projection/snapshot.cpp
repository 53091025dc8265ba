#include "events/projection/snapshot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>
#include <system_error>
#include <utility>

#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"

namespace trv::projection {

using base::ErrorCode;
using base::fail;
using base::Result;

namespace {

constexpr std::size_t manifest_bytes_max = 64 * 1024;
constexpr std::string_view first_line = "travertine snapshot 1";
constexpr std::size_t lsn_digits = 20;

template <typename Number>
std::optional<Number> to_number(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<base::Digest> to_digest(std::string_view text) {
  const auto bytes = base::from_hex(text);
  base::Digest digest{};
  if (!bytes || bytes->size() != digest.size()) return std::nullopt;
  std::ranges::copy(*bytes, digest.begin());
  return digest;
}

/// Puts a value where it belongs; false where it is none.
template <typename Value, typename Target>
bool assign(const std::optional<Value>& value, Target& target) {
  if (value) target = Target(*value);
  return value.has_value();
}

struct Fact {
  std::string_view word;
  std::function<bool(Snapshot&, std::string_view)> read;
};

const std::vector<Fact>& facts() {
  static const std::vector<Fact> all = {
      {"shard ", [](Snapshot& to, std::string_view text) { return assign(to_number<std::uint32_t>(text), to.shard); }},
      {"lsn ",
       [](Snapshot& to, std::string_view text) {
         return assign(to_number<std::uint64_t>(text), to.applied.lsn) && to.applied.lsn > record::Lsn(0);
       }},
      {"epoch ",
       [](Snapshot& to, std::string_view text) { return assign(to_number<std::uint64_t>(text), to.applied.epoch); }},
      {"hash ", [](Snapshot& to, std::string_view text) { return assign(to_digest(text), to.applied.last_hash); }},
      {"position ",
       [](Snapshot& to, std::string_view text) {
         const auto bytes = base::from_hex(text);
         if (!bytes || bytes->size() > log::EnginePosition::bytes_max) return false;
         to.applied.position = log::EnginePosition(*bytes);
         return true;
       }},
      {"time ",
       [](Snapshot& to, std::string_view text) { return assign(to_number<std::int64_t>(text), to.applied.time); }},
      {"layout ",
       [](Snapshot& to, std::string_view text) {
         to.layout = text;
         return !text.empty();
       }},
      {"content ", [](Snapshot& to, std::string_view text) { return assign(to_digest(text), to.content); }},
      {"bytes ", [](Snapshot& to, std::string_view text) { return assign(to_number<std::uint64_t>(text), to.bytes); }},
      {"taken ",
       [](Snapshot& to, std::string_view text) { return assign(base::Timestamp::from_rfc3339(text), to.taken); }},
  };
  return all;
}

std::unexpected<base::Error> cannot_read(const std::filesystem::path& folder, const std::error_code& error) {
  return fail(ErrorCode::unavailable, fmt::format("cannot read {}: {}", folder.string(), error.message()));
}

std::string last_line(std::string_view lines, const ManifestKey& key) {
  const base::BytesView bytes = base::as_bytes(lines);
  return key ? fmt::format("seal {}", base::to_hex(base::hmac_sha256(*key, bytes)))
             : fmt::format("sum {}", base::to_hex(base::sha256(bytes)));
}

}  // namespace

std::string to_text(const Snapshot& snapshot, const ManifestKey& key) {
  TRV_EXPECTS(snapshot.applied.lsn > record::Lsn(0) && snapshot.layout.find('\n') == std::string::npos);
  const Applied& applied = snapshot.applied;
  std::string text = fmt::format(
      "{}\nshard {}\nlsn {}\nepoch {}\nhash {}\nposition {}\ntime {}\nlayout {}\ncontent {}\nbytes {}\ntaken {}\n",
      first_line, snapshot.shard.value(), applied.lsn.value(), applied.epoch.value(), base::to_hex(applied.last_hash),
      base::to_hex(applied.position.bytes()), applied.time.ns(), snapshot.layout, base::to_hex(snapshot.content),
      snapshot.bytes, snapshot.taken.to_rfc3339());
  text += fmt::format("{}\n", last_line(text, key));
  return text;
}

Result<Snapshot> parse_snapshot(std::string_view text, const ManifestKey& key) {
  std::string_view rest = text;
  std::size_t number = 0;
  const auto next_line = [&]() -> std::string_view {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    ++number;
    return line;
  };
  const auto refused = [&](std::string_view wanted) {
    return fail(ErrorCode::corrupt, fmt::format("line {} is not '{}'", number, wanted));
  };
  if (next_line() != first_line) return refused(first_line);
  Snapshot snapshot;
  for (const Fact& fact : facts()) {
    const std::string_view line = next_line();
    if (!line.starts_with(fact.word) || !fact.read(snapshot, line.substr(fact.word.size())))
      return refused(fmt::format("{}…", fact.word));
  }
  const std::string_view lines = text.substr(0, text.size() - rest.size());
  const std::string last = last_line(lines, key);
  // A seal is not written where somebody could copy it.
  if (next_line() != last || !rest.empty() || !text.ends_with('\n')) return refused(key ? "seal …" : last);
  TRV_ENSURES(snapshot.applied.lsn > record::Lsn(0) && !snapshot.layout.empty());
  return snapshot;
}

std::filesystem::path shard_folder(const std::filesystem::path& folder, record::ShardId shard) {
  TRV_EXPECTS(!folder.empty());
  return folder / std::to_string(shard.value());
}

std::string snapshot_name(record::Lsn lsn, std::string_view unique) {
  TRV_EXPECTS(lsn > record::Lsn(0) && !unique.empty());
  return fmt::format("{:0{}}-{}", lsn.value(), lsn_digits, unique);
}

Result<Manifests> read_manifests(const std::filesystem::path& folder, record::ShardId shard, const ManifestKey& key) {
  Manifests found;
  std::error_code error;
  std::filesystem::directory_iterator entries(shard_folder(folder, shard), error);
  if (error == std::errc::no_such_file_or_directory) return found;
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    const std::filesystem::path& place = entries->path();
    const std::string name = place.filename().string();
    const auto lsn = to_number<std::uint64_t>(std::string_view(name).substr(0, lsn_digits));
    if (name.size() <= lsn_digits || name[lsn_digits] != '-' || !lsn) continue;  // not ours
    const std::filesystem::path file = place / manifest_name;
    const auto bytes = base::read_file(file, manifest_bytes_max);
    if (!bytes && bytes.error().code() == ErrorCode::not_found) continue;  // removed meanwhile
    auto snapshot = bytes ? parse_snapshot(base::as_text(*bytes), key) : Result<Snapshot>(fail(bytes.error()));
    std::string why;
    if (!snapshot) {
      why = snapshot.error().message();
    } else if (snapshot->shard != shard || snapshot->applied.lsn.value() != *lsn) {
      why = fmt::format("it is of shard {}, lsn {}", snapshot->shard.value(), snapshot->applied.lsn.value());
    }
    if (why.empty()) {
      snapshot->folder = place;
      found.snapshots.push_back(*std::move(snapshot));
    } else {
      found.unreadable.push_back(
          {.lsn = record::Lsn(*lsn), .folder = place, .why = fmt::format("{}: {}", file.string(), why)});
    }
  }
  if (error) return cannot_read(folder, error);
  std::ranges::sort(found.snapshots, std::greater{},
                    [](const Snapshot& one) { return std::pair(one.applied.lsn, one.taken); });
  return found;
}

}  // namespace trv::projection
