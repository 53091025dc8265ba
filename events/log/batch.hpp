#pragma once
// Records on their way into the log, in one piece of memory.

#include <cstddef>
#include <vector>

#include "events/record/aligned_bytes.hpp"
#include "events/record/position.hpp"
#include "events/record/record.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"

namespace trv::log {

/// Consecutive records of one shard and epoch; decisions may begin before it and end behind it. Owns a copy of their
/// bytes. One thread at a time.
class Batch {
 public:
  /// Copies the record behind the others. Contract: it follows the last one.
  void add(const record::RecordView& record);
  [[nodiscard]] std::size_t size() const noexcept { return spans_.size(); }
  [[nodiscard]] bool empty() const noexcept { return spans_.empty(); }
  /// Memory that the records take.
  [[nodiscard]] std::size_t bytes() const noexcept { return memory_.size(); }
  /// The stored bytes of one record, at a multiple of 8; valid until the batch grows.
  [[nodiscard]] base::BytesView at(std::size_t index) const noexcept;
  /// The same as a record.
  [[nodiscard]] record::RecordView view(std::size_t index) const noexcept {
    return record::RecordView::of_copy(at(index));
  }
  [[nodiscard]] record::ShardId shard() const noexcept { return shard_; }
  [[nodiscard]] record::Epoch epoch() const noexcept { return epoch_; }
  /// Both only when not empty.
  [[nodiscard]] record::Lsn first() const noexcept { return first_; }
  [[nodiscard]] record::Lsn last() const noexcept {
    TRV_EXPECTS(!empty());
    return record::Lsn(first_.value() + spans_.size() - 1);
  }
  /// How many of the records, from the first, end with a whole decision; 0 where no decision ends in the batch.
  [[nodiscard]] std::size_t decided() const noexcept { return decided_; }
  /// Drops the decision that has not ended.
  void drop_undecided() noexcept;
  /// Empties it and keeps its memory.
  void clear() noexcept;

 private:
  struct Span {
    std::size_t offset;
    std::size_t size;
  };

  record::AlignedBytes memory_;
  std::vector<Span> spans_;
  std::size_t decided_ = 0;
  record::ShardId shard_;
  record::Epoch epoch_;
  record::Lsn first_;
};

}  // namespace trv::log
