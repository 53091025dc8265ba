#pragma once
// The event log port: where shards append their records and all others read them.
//
// The log itself decides who owns a shard: a claim is an entry of the log, the first claim with an epoch wins, and
// records of an older epoch behind it are void, and so is a torn decision before it (docs/formats/record.md). What is
// asked of an engine is one durable total order per shard. Implementations pass event_log_suite.hpp.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "events/log/batch.hpp"
#include "events/log/engine_position.hpp"
#include "events/record/position.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"
#include "sdk/base/uuid.hpp"

namespace trv::log {

using record::Epoch;
using record::Lsn;
using record::ShardId;

/// The right to append to a shard, until it is claimed again.
struct Claim {
  ShardId shard;
  Epoch epoch;
  base::Uuid nonce;
  Lsn next;                  ///< of the first record to append
  base::Digest last_hash{};  ///< that this record's prev_hash must be; zeros when the shard is empty
};

/// Names one append.
struct Ticket {
  ShardId shard;
  std::uint64_t number = 0;
};

enum class Outcome {
  appended,  ///< durable, and no later claim comes before it
  lost,      ///< a later claim comes before it: it never happened. The claim is dead: claim again or step down
};

struct Settled {
  Outcome outcome = Outcome::lost;
  Lsn last;                 ///< of the batch, when appended
  EnginePosition position;  ///< of the record `last`; a reader gives the same
};

/// lsn of the first record that can be read and of the last record of the last whole decision; both 0 when there is
/// none.
struct Bounds {
  Lsn first;
  Lsn last;
};

struct StoredRecord {
  Lsn lsn;
  /// As stored; starts at a multiple of 8; valid until the next call of next().
  base::BytesView bytes;
  EnginePosition position;
};

/// What claim_as() answers where the shard is at a later epoch. For implementations.
[[nodiscard]] std::unexpected<base::Error> claimed_later(ShardId shard, Epoch wanted, Epoch found);

/// The longest wait of Reader::next; more is cut to it.
inline constexpr base::Duration wait_max = std::chrono::hours(24);

/// Follows one shard. next() by one thread at a time; wake() by any.
class Reader {
 public:
  virtual ~Reader() = default;
  /// The next record that counts; waits up to `timeout` for it to be appended (0: does not wait). nullopt: none came in
  /// time, or wake() was called. Void records and claims are skipped; a decision is held back until it is whole. The
  /// chain is not verified here.
  /// Errors: corrupt where the log breaks its own rules: then the reader stays there; not_found where trim() was
  /// faster; unavailable.
  [[nodiscard]] virtual base::Result<std::optional<StoredRecord>> next(base::Duration timeout) = 0;
  /// Makes a waiting next(), or else the following one that would wait, return at once.
  virtual void wake() noexcept = 0;
};

/// claim, append and settle for one shard by one thread at a time; different shards in parallel. read, bounds and trim
/// by any thread. The log outlives its readers.
///
/// A `hint` is a position that this log gave for a record at or before the place in question, as near to it as is
/// known: an engine without an index looks from there on. It may be empty, old, of another log or damaged: then it
/// costs time, and never changes a result.
class EventLog {
 public:
  virtual ~EventLog() = default;

  /// Makes us the owner of the shard, whichever node was it before. Durable on return. `node` is for people, at most
  /// 255 bytes; `nonce` is new for every call; `hint` is of the last record that is known. Appends that were not
  /// settled are before the claim or never will be. Errors: lost if another node claimed at the same time and won;
  /// exhausted; unavailable.
  [[nodiscard]] virtual base::Result<Claim> claim(ShardId shard, std::string_view node, const base::Uuid& nonce,
                                                  const EnginePosition& hint = {}) = 0;

  /// For a copy of another log, whose records keep their epochs: claims exactly this epoch, at least 1. Where the shard
  /// is at that epoch already, nothing is claimed: the copy goes on behind the last record that was stored, whether its
  /// decision has ended or not. Errors: conflict where the shard is at a later epoch; as claim().
  [[nodiscard]] virtual base::Result<Claim> claim_as(ShardId shard, Epoch epoch, std::string_view node,
                                                     const base::Uuid& nonce) = 0;

  /// Hands over the batch, which must follow what this claim appended before; a decision may go over several batches.
  /// Returns at once; batches keep their order. Nothing is durable before settle() says so; an engine may do the work
  /// as late as there. Error: conflict if the batch does not continue the claim.
  [[nodiscard]] virtual base::Result<Ticket> append(const Claim& claim, Batch batch) = 0;

  /// Waits for the fate of an append and of all before it. Each ticket once, and each: until then the log keeps its
  /// fate. Errors: exhausted when there is no room: nothing of this batch is stored, the claim holds and goes on with
  /// the batch's first lsn; cancelled when that happened to an append before it; unavailable when the fate is not
  /// known: claim again and read to the end.
  [[nodiscard]] virtual base::Result<Settled> settle(const Ticket& ticket) = 0;

  /// Starts at `from`, at least 1; a reader at the end waits for what comes. A shard without records reads as empty.
  /// `hint` is of a record at or before `from`. Error: not_found if the log begins behind `from`.
  [[nodiscard]] virtual base::Result<std::unique_ptr<Reader>> read(ShardId shard, Lsn from,
                                                                   const EnginePosition& hint = {}) = 0;

  [[nodiscard]] virtual base::Result<Bounds> bounds(ShardId shard) = 0;

  /// Forgets the decisions that end before `below`, which no snapshot, retention or audit needs any more. Whole
  /// decisions only, and never the last one: bounds().first says where the log begins then. Nothing happens where it
  /// begins there already. Error: unavailable; what was forgotten until then is forgotten.
  [[nodiscard]] virtual base::Status trim(ShardId shard, Lsn below) = 0;
};

}  // namespace trv::log
