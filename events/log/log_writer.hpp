#pragma once
// Appends example records under a claim; for tests and benchmarks.

#include <cstdint>
#include <utility>

#include "events/log/event_log.hpp"
#include "events/record/record.hpp"
#include "events/record/record_fixture.hpp"
#include "sdk/base/contract.hpp"

namespace trv::log {

/// Which of a batch's records end a decision.
enum class Ends : std::uint8_t { each, last, none };

/// One claim's end of the chain. One thread.
class LogWriter {
 public:
  explicit LogWriter(const Claim& claim) noexcept : claim_(claim), next_(claim.next), last_hash_(claim.last_hash) {}

  [[nodiscard]] const Claim& claim() const noexcept { return claim_; }
  [[nodiscard]] Lsn next() const noexcept { return next_; }

  /// The next `count` records.
  [[nodiscard]] Batch batch(std::size_t count, std::size_t payload_bytes = 64, Ends ends = Ends::each) {
    Batch batch;
    for (std::size_t i = 0; i < count; ++i) {
      record::Draft draft = record::example_draft(next_.value(), payload_bytes);
      draft.type = "any.example.happened";  // as long, and not one of the kernel's: every projection takes it
      draft.decision_end = ends == Ends::each || (ends == Ends::last && i + 1 == count);
      const auto record =
          encoder_.encode(draft, {.shard = claim_.shard, .lsn = next_, .epoch = claim_.epoch, .prev_hash = last_hash_});
      TRV_ASSERT(record.has_value());
      batch.add(*record);
      last_hash_ = record::hash_of(record->stored());
      next_ = next_.next();
    }
    return batch;
  }

 private:
  Claim claim_;
  Lsn next_;
  base::Digest last_hash_;
  record::RecordEncoder encoder_;
};

}  // namespace trv::log
