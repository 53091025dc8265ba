#pragma once
// Records: what a decision drafts, how it is stored and how it is read. Format: docs/formats/record.md.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "events/record/aligned_bytes.hpp"
#include "events/record/position.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/identity.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"
#include "sdk/base/uuid.hpp"

namespace trv::schema::record {
struct Record;
}

namespace trv::record {

/// The largest entry of a log, size prefix included.
inline constexpr std::size_t record_bytes_max = 1'000'000;
/// The largest decision: the sum of its entries. Readers hold a decision in memory until its end has come.
inline constexpr std::size_t decision_bytes_max = std::size_t{64} << 20;

enum class PayloadEncoding : std::uint8_t {
  flatbuffer = 0,  ///< the event type's own FlatBuffer
};

/// An event before it has a place in the log.
struct Draft {
  base::TenantId tenant;
  std::string stream_kind;
  std::string stream_id;
  std::string type;
  std::uint16_t schema_version = 1;
  std::string actor;  ///< "member:ada", "token:…", "plugin:…", "webhook:…" or "kernel"
  base::Uuid event_id;
  base::Timestamp time;
  std::optional<base::Uuid> causation_id;
  std::optional<base::Uuid> correlation_id;
  std::string traceparent;  ///< empty: none
  PayloadEncoding payload_encoding = PayloadEncoding::flatbuffer;
  std::string key_id;  ///< empty: not sealed
  base::Bytes payload;
  bool decision_end = false;  ///< the last event of its decision
};

/// A verified record in memory that somebody else owns: the accessors borrow from it. Small; copy it freely. Any
/// thread.
class RecordView {
 public:
  /// Verifies stored bytes in place. Precondition: they start at a multiple of 8 and outlive the view.
  /// Error: corrupt, and what was wrong.
  [[nodiscard]] static base::Result<RecordView> over(base::BytesView stored);

  /// Over a copy of the bytes of a view, which is not verified again. Precondition: as for over().
  [[nodiscard]] static RecordView of_copy(base::BytesView stored) noexcept;

  /// The whole entry as stored, size prefix included; what the chain hashes.
  [[nodiscard]] base::BytesView stored() const noexcept { return stored_; }
  /// hash_of(stored()); computed here unless with_hash() gave it.
  [[nodiscard]] base::Digest hash() const { return hash_ == nullptr ? base::sha256(stored_) : *hash_; }
  /// The same view, which knows its hash. `hash` is hash_of(stored()) and outlives the view and its copies.
  [[nodiscard]] RecordView with_hash(const base::Digest& hash) const noexcept {
    RecordView view = *this;
    view.hash_ = &hash;
    return view;
  }

  [[nodiscard]] ShardId shard() const noexcept;
  [[nodiscard]] Lsn lsn() const noexcept;
  [[nodiscard]] Epoch epoch() const noexcept;
  [[nodiscard]] base::Digest prev_hash() const noexcept;
  [[nodiscard]] base::Timestamp time() const noexcept;
  [[nodiscard]] base::Uuid event_id() const noexcept;
  [[nodiscard]] std::string_view tenant() const noexcept;
  [[nodiscard]] std::string_view stream_kind() const noexcept;
  [[nodiscard]] std::string_view stream_id() const noexcept;
  [[nodiscard]] std::string_view type() const noexcept;
  [[nodiscard]] std::uint16_t schema_version() const noexcept;
  [[nodiscard]] std::string_view actor() const noexcept;
  [[nodiscard]] std::optional<base::Uuid> causation_id() const noexcept;
  [[nodiscard]] std::optional<base::Uuid> correlation_id() const noexcept;
  /// Empty: none.
  [[nodiscard]] std::string_view traceparent() const noexcept;
  [[nodiscard]] PayloadEncoding payload_encoding() const noexcept;
  /// Empty: not sealed.
  [[nodiscard]] std::string_view key_id() const noexcept;
  /// Starts at a multiple of 8, so a FlatBuffer in it can be verified and read in place. Its content is not verified.
  [[nodiscard]] base::BytesView payload() const noexcept;
  [[nodiscard]] bool decision_end() const noexcept;

 private:
  friend class RecordEncoder;
  RecordView(base::BytesView stored, const schema::record::Record& table) noexcept : stored_(stored), table_(&table) {}

  base::BytesView stored_;
  const schema::record::Record* table_;
  const base::Digest* hash_ = nullptr;
};

/// A record that owns its bytes. Any thread.
class Record {
 public:
  /// Copies stored bytes, from any address, and verifies the copy. Never crashes on hostile bytes.
  /// Errors: corrupt; too_large over record_bytes_max.
  [[nodiscard]] static base::Result<Record> decode(base::BytesView stored);
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;
  Record(Record&&) noexcept = default;
  Record& operator=(Record&&) noexcept = default;

  [[nodiscard]] const RecordView& view() const noexcept { return view_; }
  [[nodiscard]] const RecordView* operator->() const noexcept { return &view_; }

 private:
  Record(AlignedBytes bytes, RecordView view) noexcept : bytes_(std::move(bytes)), view_(view) {}

  AlignedBytes bytes_;  // moving it keeps its address, so view_ stays right
  RecordView view_;
};

/// Turns drafts into stored bytes. Reuses its memory: keep one per writer. One thread at a time.
class RecordEncoder {
 public:
  RecordEncoder();
  ~RecordEncoder();
  RecordEncoder(RecordEncoder&&) noexcept;
  RecordEncoder& operator=(RecordEncoder&&) noexcept;

  /// The same draft at the same place gives the same bytes. The view is already verified, starts at a multiple of 8
  /// and is valid until the next call.
  /// Errors: invalid where a field that must not be empty is; too_large over record_bytes_max.
  [[nodiscard]] base::Result<RecordView> encode(const Draft& draft, const Place& place);

 private:
  struct Builder;
  std::unique_ptr<Builder> builder_;
};

/// What the next record's prev_hash must be: SHA-256 over the bytes as stored.
[[nodiscard]] inline base::Digest hash_of(base::BytesView stored) {
  return base::sha256(stored);
}

}  // namespace trv::record
