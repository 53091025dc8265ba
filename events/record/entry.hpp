#pragma once
// Entries of a log: records and claims, distinguished by file identifier, and the void rule over them. For
// implementations of the log port. Format: docs/formats/record.md.

#include <cstdint>
#include <string>
#include <string_view>

#include "events/record/position.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/uuid.hpp"

namespace trv::record {

enum class EntryKind { record, claim };

/// What the void rule must know of an entry.
struct EntryHead {
  EntryKind kind = EntryKind::record;
  ShardId shard;
  Epoch epoch;
  Lsn lsn;                    ///< 0 for a claim
  bool decision_end = false;  ///< the last record of its decision
  base::Uuid event_id = {};   ///< nil for a claim

  friend bool operator==(const EntryHead&, const EntryHead&) = default;
};

/// Reads the head from stored bytes at any address, without a copy; bounded. It says nothing about the rest of the
/// entry. Error: corrupt.
[[nodiscard]] base::Result<EntryHead> peek(base::BytesView stored);

struct ClaimEntry {
  ShardId shard;
  Epoch epoch;
  std::string node;
  base::Uuid nonce;

  friend bool operator==(const ClaimEntry&, const ClaimEntry&) = default;
};

/// Precondition: node.size() <= 255.
[[nodiscard]] base::Bytes encode_claim(const ClaimEntry& claim);
/// From any address. Error: corrupt.
[[nodiscard]] base::Result<ClaimEntry> decode_claim(base::BytesView stored);

/// The void rule: takes every entry in log order and says which count. A record counts only once its decision has
/// ended: until then a claim can make it void. Pure; one thread.
class VoidRule {
 public:
  enum class Verdict {
    next,        ///< the next record: it counts if its decision ends before a claim wins
    outdated,    ///< a record after a later claim: void, skip it
    repeated,    ///< a record that was there already; skip it
    claim_won,   ///< the shard has a new owner; the records from next_decision() on that came before are void
    claim_lost,  ///< another node holds this epoch or a later one
  };

  /// Starts at the first entry of the log, or anywhere behind it when epoch and next lsn at that place are known.
  /// Precondition: a claim does not make the record before `next` void.
  explicit VoidRule(ShardId shard, Epoch epoch = Epoch(0), Lsn next = Lsn(1)) noexcept
      : shard_(shard), epoch_(epoch), next_(next), next_decision_(next) {}

  /// Error: corrupt, where the entry cannot be in this log at this place; then nothing changed.
  [[nodiscard]] base::Result<Verdict> judge(const EntryHead& head);

  [[nodiscard]] Epoch epoch() const noexcept { return epoch_; }
  /// The lsn of the next record, if no claim wins before it.
  [[nodiscard]] Lsn next() const noexcept { return next_; }
  /// The lsn after the last whole decision: where a claim that wins now goes on.
  [[nodiscard]] Lsn next_decision() const noexcept { return next_decision_; }

 private:
  ShardId shard_;
  Epoch epoch_;
  Lsn next_;
  Lsn next_decision_;
};

}  // namespace trv::record
