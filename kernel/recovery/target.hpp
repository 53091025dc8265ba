#pragma once
// Where backups go: numbered manifests that are added once and never changed, and objects by their SHA-256. A port; a
// folder is one.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernel/recovery/manifest.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"

namespace trv::recovery {

/// One thread at a time; several targets of one place, also in other processes, at once. Errors of every function:
/// unavailable or denied (the place does not answer, is full or refuses; names what), corrupt (the place breaks its own
/// rules).
class Target {
 public:
  virtual ~Target() = default;

  /// For people, and what the programs take.
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  /// What is wrong with an object or a manifest is said by this name.
  [[nodiscard]] virtual std::string place_of(const base::Digest& object) const = 0;
  [[nodiscard]] virtual std::string place_of(std::uint64_t segment) const = 0;

  /// The numbers of the segments, the least first. A place that does not exist has none.
  [[nodiscard]] virtual base::Result<std::vector<std::uint64_t>> segments() = 0;
  /// A manifest as stored; at most manifest_bytes_max. Error: not_found.
  [[nodiscard]] virtual base::Result<base::Bytes> manifest(std::uint64_t segment) = 0;
  /// Adds a manifest; durable on return, with everything that was put before. False: there is one with this number, and
  /// nothing was changed.
  [[nodiscard]] virtual base::Result<bool> add_manifest(std::uint64_t segment, base::BytesView bytes) = 0;

  /// The bytes as they are there; the caller compares. Errors: not_found; too_large where there are more than
  /// `object.bytes`.
  [[nodiscard]] virtual base::Result<base::Bytes> get(const Object& object) = 0;
  /// Puts an object unless it is there, whole. True: it was written now.
  [[nodiscard]] virtual base::Result<bool> put(const Object& object, base::BytesView bytes) = 0;
};

/// The object's bytes, held against its digest. Errors: corrupt, with its place, where it is missing or differs;
/// those of the target.
[[nodiscard]] base::Result<base::Bytes> read_object(Target& target, const Object& object);

[[nodiscard]] Object object_of(base::BytesView bytes);

}  // namespace trv::recovery
