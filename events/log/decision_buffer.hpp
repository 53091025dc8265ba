#pragma once
// From the entries of a shard to the records that count. For implementations of Reader.

#include <algorithm>
#include <optional>
#include <vector>

#include "events/log/event_log.hpp"
#include "events/record/aligned_bytes.hpp"
#include "events/record/entry.hpp"

namespace trv::log {

/// The position of an engine that numbers its entries: the number, little-endian.
[[nodiscard]] EnginePosition position_at(std::uint64_t place) noexcept;
/// nullopt where the bytes are not such a position.
[[nodiscard]] std::optional<std::uint64_t> place_of(const EnginePosition& position) noexcept;

/// Takes entries in log order and gives the records that count, from an lsn on. It holds a decision back, in its own
/// memory, until the end of the decision has come. One thread.
class DecisionBuffer {
 public:
  /// `rule` is right for the first entry that take() gets.
  DecisionBuffer(const record::VoidRule& rule, Lsn from) noexcept : rule_(rule), from_(from) {}

  /// Copies the entry if it may count; `position` is its own. What give() gave before is no longer valid once
  /// everything was given. Error: corrupt, where the entry cannot be in this log at this place or the decision is too
  /// large; then nothing changed.
  [[nodiscard]] base::Status take(base::BytesView entry, const EnginePosition& position);
  /// The same. Precondition: `head` is what peek() says of the entry.
  [[nodiscard]] base::Status take(base::BytesView entry, const record::EntryHead& head, const EnginePosition& position);

  /// True where no record can be given before a further entry is taken.
  [[nodiscard]] bool empty() const noexcept { return given_ == whole_; }
  /// Records that can be given.
  [[nodiscard]] std::size_t size() const noexcept { return whole_ - given_; }
  /// The first lsn that take() may still make ready.
  [[nodiscard]] Lsn wanted() const noexcept { return std::max(from_, rule_.next_decision()); }
  /// Memory of what was given and of what can be given.
  [[nodiscard]] std::size_t bytes() const noexcept { return whole_bytes_; }
  /// Precondition: !empty().
  [[nodiscard]] StoredRecord give();

 private:
  struct Held {
    Lsn lsn;
    std::size_t offset;
    std::size_t size;
    EnginePosition position;
  };

  void drop_given();

  record::VoidRule rule_;
  Lsn from_;
  record::AlignedBytes memory_;
  std::vector<Held> held_;       ///< given records, then whole decisions, then the decision that has not ended
  std::size_t given_ = 0;        ///< of held_
  std::size_t whole_ = 0;        ///< of held_: given records and whole decisions
  std::size_t whole_bytes_ = 0;  ///< of memory_, for these
};

}  // namespace trv::log
