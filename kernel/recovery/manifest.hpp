#pragma once
// What a backup target says of itself: one signed manifest for each segment, and the list of what the segment adds.
// Format: docs/formats/backup.md. Functions of values; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/note/key.hpp"
#include "events/record/position.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::recovery {

using record::Epoch;
using record::Lsn;
using record::ShardId;

/// The largest object: what is larger is several.
inline constexpr std::size_t object_bytes_max = std::size_t{16} << 20;
/// The largest list of what a segment adds.
inline constexpr std::size_t contents_bytes_max = std::size_t{1} << 30;
inline constexpr std::size_t manifest_bytes_max = 1'000'000;

/// Bytes in a target, by what they are.
struct Object {
  base::Digest sha256{};
  std::uint64_t bytes = 0;
  friend bool operator==(const Object&, const Object&) = default;
};

/// How far a segment goes in a shard.
struct ShardSpan {
  ShardId shard;
  Lsn first;             ///< of the first record in this segment; the one after `last` where it has none
  Lsn last;              ///< of the last record in the target; 0: none
  Epoch epoch;           ///< of the record `last`, as are the next two
  base::Timestamp time;  ///< of its decision
  base::Digest last_hash{};
  friend bool operator==(const ShardSpan&, const ShardSpan&) = default;
};

/// What the live projection of a shard was when it had applied the log so far.
struct StateDigest {
  ShardId shard;
  Lsn lsn;
  base::Digest sha256{};
  std::string layout;  ///< the projectors and their versions; another layout has other rows
  friend bool operator==(const StateDigest&, const StateDigest&) = default;
};

struct Segment {
  std::uint64_t number = 0;         ///< from 1, without gap
  std::uint64_t base = 0;           ///< the segment with which the recovery of this one begins
  base::Digest previous{};          ///< SHA-256 of the manifest before, as stored; zeros for the first
  std::string key;                  ///< that signed it, as note::VerifierKey::format() writes it
  base::Timestamp cut;              ///< every decision of every shard up to this time is in the target
  std::uint64_t records = 0;        ///< in this segment
  std::uint64_t bytes = 0;          ///< of the objects that it added
  Object contents;                  ///< the list of what it adds
  std::vector<ShardSpan> shards;    ///< all of them, by number, from 0
  std::vector<StateDigest> states;  ///< by shard; empty where they were not taken

  friend bool operator==(const Segment&, const Segment&) = default;
};

/// The text that is signed. Error: invalid where it would be larger than a manifest may be.
[[nodiscard]] base::Result<std::string> sign(const Segment& segment, const note::SigningKey& key);
/// Reads a manifest. `trusted`: the key that must have signed it; absent: the one that it names. Errors: corrupt where
/// it is not a manifest or not signed by that key.
[[nodiscard]] base::Result<Segment> open_manifest(base::BytesView stored,
                                                  const std::optional<note::VerifierKey>& trusted);

/// Consecutive records of a shard, as stored, one behind the other.
struct RecordsEntry {
  ShardId shard;
  Lsn first;
  Lsn last;
  Object object;
  friend bool operator==(const RecordsEntry&, const RecordsEntry&) = default;
};

/// A file beside the log.
struct FileEntry {
  std::string path;  ///< below the data folder
  std::uint32_t mode = 0;
  Object whole;
  std::vector<Object> parts;  ///< of a file that is larger than an object; else empty
  friend bool operator==(const FileEntry&, const FileEntry&) = default;
};

struct Contents {
  std::vector<RecordsEntry> records;
  std::vector<FileEntry> files;
  friend bool operator==(const Contents&, const Contents&) = default;
};

[[nodiscard]] std::string to_text(const Contents& contents);
/// Error: corrupt, with the line; also for a path that leads out of the data folder.
[[nodiscard]] base::Result<Contents> parse_contents(std::string_view text);

}  // namespace trv::recovery
