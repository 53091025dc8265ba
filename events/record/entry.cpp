#include "events/record/entry.hpp"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

#include "events/record/aligned_bytes.hpp"
#include "events/record/record.hpp"
#include "events/schema/claim_generated.h"
#include "events/schema/record_generated.h"
#include "sdk/base/contract.hpp"

namespace trv::record {

using base::BytesView;
using base::ErrorCode;
using base::fail;
using base::Result;

namespace fb = schema::claim;

static_assert(std::endian::native == std::endian::little, "the formats are little-endian");

namespace {

constexpr std::size_t claim_bytes_max = 1024;
constexpr std::size_t node_bytes_max = 255;
constexpr std::size_t entry_bytes_min = 24;
constexpr std::size_t identifier_offset = 8;

/// Reads scalars of the root table of a size-prefixed FlatBuffer at any address, every step inside the bytes.
class TableReader {
 public:
  /// False where the bytes hold no table.
  [[nodiscard]] bool open(BytesView bytes) noexcept {
    bytes_ = bytes;
    const auto root = at<std::uint32_t>(4);
    if (!root || *root > bytes.size()) return false;
    table_ = 4 + std::size_t{*root};
    const auto back = at<std::int32_t>(table_);
    if (!back) return false;
    const auto vtable = static_cast<std::int64_t>(table_) - *back;
    if (vtable < 0 || static_cast<std::uint64_t>(vtable) > bytes.size()) return false;
    vtable_ = static_cast<std::size_t>(vtable);
    const auto size = at<std::uint16_t>(vtable_);
    if (!size) return false;
    vtable_size_ = *size;
    TRV_ENSURES(table_ < bytes_.size() && vtable_ < bytes_.size());
    return true;
  }

  /// The field's value, 0 where it is absent; nullopt where it lies outside the bytes.
  template <typename T>
  [[nodiscard]] std::optional<T> field(std::size_t vtable_offset) const noexcept {
    if (vtable_offset + 2 > vtable_size_) return T{};
    const auto offset = at<std::uint16_t>(vtable_ + vtable_offset);
    if (!offset) return std::nullopt;
    if (*offset == 0) return T{};
    return at<T>(table_ + *offset);
  }

 private:
  template <typename T>
  [[nodiscard]] std::optional<T> at(std::size_t offset) const noexcept {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) return std::nullopt;
    T value{};
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }

  BytesView bytes_;
  std::size_t table_ = 0;
  std::size_t vtable_ = 0;
  std::size_t vtable_size_ = 0;
};

std::unexpected<base::Error> corrupt_entry(BytesView stored, std::string_view what) {
  return fail(ErrorCode::corrupt, fmt::format("a log entry of {} bytes: {}", stored.size(), what));
}

}  // namespace

Result<EntryHead> peek(BytesView stored) {
  if (stored.size() < entry_bytes_min || stored.size() > record_bytes_max) {
    return corrupt_entry(stored, "its size is impossible");
  }
  std::uint32_t prefix = 0;
  std::memcpy(&prefix, stored.data(), sizeof prefix);
  if (prefix != stored.size() - sizeof prefix) return corrupt_entry(stored, "its size prefix is wrong");

  EntryHead head;
  const std::string_view identifier = base::as_text(stored.subspan(identifier_offset, 4));
  if (identifier == schema::record::RecordIdentifier()) {
    head.kind = EntryKind::record;
  } else if (identifier == fb::ClaimIdentifier()) {
    head.kind = EntryKind::claim;
  } else {
    return corrupt_entry(stored, "it is neither record nor claim");
  }

  TableReader table;
  if (!table.open(stored)) return corrupt_entry(stored, "it holds no table");
  const bool is_record = head.kind == EntryKind::record;
  const auto shard = table.field<std::uint32_t>(is_record ? +schema::record::Record::VT_SHARD : +fb::Claim::VT_SHARD);
  const auto epoch = table.field<std::uint64_t>(is_record ? +schema::record::Record::VT_EPOCH : +fb::Claim::VT_EPOCH);
  const auto lsn = is_record ? table.field<std::uint64_t>(schema::record::Record::VT_LSN) : std::uint64_t{0};
  const auto decision_end =
      is_record ? table.field<std::uint8_t>(schema::record::Record::VT_DECISION_END) : std::uint8_t{0};
  using Id = std::array<std::uint8_t, 16>;
  const auto event_id = is_record ? table.field<Id>(schema::record::Record::VT_EVENT_ID) : Id{};
  if (!shard || !epoch || !lsn || !decision_end || !event_id)
    return corrupt_entry(stored, "a field lies outside of it");
  if (*epoch == 0 || (is_record && *lsn == 0)) return corrupt_entry(stored, "it has no epoch or no lsn");
  head.shard = ShardId(*shard);
  head.epoch = Epoch(*epoch);
  head.lsn = Lsn(*lsn);
  head.decision_end = *decision_end != 0;
  head.event_id = base::Uuid(*event_id);
  TRV_ENSURES(head.epoch >= Epoch(1) && (head.lsn >= Lsn(1)) == is_record);
  return head;
}

base::Bytes encode_claim(const ClaimEntry& claim) {
  TRV_EXPECTS(claim.node.size() <= node_bytes_max && claim.epoch >= Epoch(1) && claim.shard.value() <= UINT32_MAX);
  flatbuffers::FlatBufferBuilder fbb(256);
  const auto node = fbb.CreateString(claim.node);
  const fb::Nonce nonce(flatbuffers::span<const std::uint8_t, 16>(claim.nonce.bytes().data(), 16));
  const auto root =
      fb::CreateClaim(fbb, static_cast<std::uint32_t>(claim.shard.value()), claim.epoch.value(), node, &nonce);
  fb::FinishSizePrefixedClaimBuffer(fbb, root);
  return {fbb.GetBufferPointer(), fbb.GetBufferPointer() + fbb.GetSize()};
}

Result<ClaimEntry> decode_claim(BytesView stored) {
  if (stored.size() < entry_bytes_min || stored.size() > claim_bytes_max) {
    return corrupt_entry(stored, "its size is impossible for a claim");
  }
  const AlignedBytes bytes(stored);
  const BytesView aligned = bytes.view(0, stored.size());
  flatbuffers::Verifier verifier(aligned.data(), aligned.size(), 4, 4);
  if (!fb::VerifySizePrefixedClaimBuffer(verifier)) return corrupt_entry(stored, "it is not a claim");
  const fb::Claim& claim = *fb::GetSizePrefixedClaim(aligned.data());
  if (claim.nonce() == nullptr || claim.epoch() == 0)
    return corrupt_entry(stored, "the claim has no nonce or no epoch");
  std::array<std::uint8_t, 16> nonce{};
  std::memcpy(nonce.data(), claim.nonce()->bytes()->data(), nonce.size());
  return ClaimEntry{.shard = ShardId(claim.shard()),
                    .epoch = Epoch(claim.epoch()),
                    .node = claim.node() == nullptr ? std::string() : claim.node()->str(),
                    .nonce = base::Uuid(nonce)};
}

Result<VoidRule::Verdict> VoidRule::judge(const EntryHead& head) {
  const auto broken = [&](std::string_view what) {
    return fail(
        ErrorCode::corrupt,
        fmt::format("the log of shard {} is damaged: after epoch {} and before lsn {} comes {} (shard {}, epoch {}, "
                    "lsn {})",
                    shard_.value(), epoch_.value(), next_.value(), what, head.shard.value(), head.epoch.value(),
                    head.lsn.value()));
  };
  if (head.shard != shard_) return broken("an entry of another shard");
  if (head.kind == EntryKind::claim) {
    if (head.epoch <= epoch_) return Verdict::claim_lost;
    epoch_ = head.epoch;
    next_ = next_decision_;
    TRV_ENSURES(epoch_ >= Epoch(1) && next_ >= Lsn(1));
    return Verdict::claim_won;
  }
  if (head.epoch < epoch_) return Verdict::outdated;
  if (head.epoch > epoch_) return broken("a record without its claim");
  if (head.lsn < next_) return Verdict::repeated;
  if (head.lsn > next_) return broken("a record behind a gap");
  next_ = next_.next();
  if (head.decision_end) next_decision_ = next_;
  TRV_ENSURES(next_ == head.lsn.next() && epoch_ == head.epoch && next_decision_ <= next_);
  return Verdict::next;
}

}  // namespace trv::record
