#include "events/copy/log_copy.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "events/log/record_lookup.hpp"
#include "events/record/chain.hpp"
#include "events/record/record.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"

namespace trv::copy {

using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;
using log::Lsn;

namespace {

constexpr std::string_view node = "trav log copy";
constexpr std::size_t batch_records_max = 4096;
constexpr std::size_t batch_bytes_max = std::size_t{4} << 20;
constexpr std::size_t under_way_max = 4;
/// What a log has reported as its end comes within this time.
constexpr base::Duration record_within = std::chrono::seconds(60);
constexpr std::string_view marker = "copy.unfinished";
constexpr std::size_t marker_bytes_max = 65536;

base::Uuid nonce_of(base::Random& random) {
  return base::Uuid::v7(base::SystemClock().now(), random);
}

Result<log::StoredRecord> next_of(log::Reader& reader, log::ShardId shard, Lsn lsn) {
  TRV_TRY_ASSIGN(const auto stored, reader.next(record_within));
  if (!stored) {
    return fail(ErrorCode::unavailable, fmt::format("record {} of shard {} did not come within {} s", lsn.value(),
                                                    shard.value(), record_within / std::chrono::seconds(1)));
  }
  if (stored->lsn != lsn) {
    return fail(ErrorCode::corrupt, fmt::format("record {} of shard {} comes where record {} is expected",
                                                stored->lsn.value(), shard.value(), lsn.value()));
  }
  return *stored;
}

std::unexpected<base::Error> holds_other_records(log::ShardId shard, std::string_view what) {
  return fail(ErrorCode::conflict,
              fmt::format("shard {} of the destination is not empty, and not a copy that was cut off: {}; choose a "
                          "folder or a topic without records",
                          shard.value(), what));
}

/// One shard on its way.
class ShardCopy {
 public:
  ShardCopy(log::EventLog& from, log::EventLog& to, log::ShardId shard, base::Random& random, const Progress& progress)
      : from_(from), to_(to), shard_(shard), random_(random), progress_(progress), chain_(shard) {}

  Result<Copied> run() {
    TRV_TRY_ASSIGN(const log::Claim claim, from_.claim(shard_, node, nonce_of(random_)));
    end_ = Lsn(claim.next.value() - 1);
    TRV_TRY(find_start());
    copied_.found = chain_.last().value();
    TRV_TRY(copy_records());
    if (chain_.last_hash() != claim.last_hash) {
      return fail(ErrorCode::corrupt, fmt::format("the last record of shard {}, {}, is not the one that was claimed",
                                                  shard_.value(), end_.value()));
    }
    TRV_TRY(check_copy());
    TRV_TRY_ASSIGN(const log::Claim after, from_.claim(shard_, node, nonce_of(random_)));
    if (after.epoch != claim.epoch.next() || after.next != claim.next) {
      return fail(ErrorCode::conflict, fmt::format("another process took shard {} of the source while it was copied; "
                                                   "stop travd there, then copy again",
                                                   shard_.value()));
    }
    copied_.records = end_.value();
    copied_.last_hash = chain_.last_hash();
    return copied_;
  }

 private:
  /// Where a copy that was cut off ended.
  Status find_start() {
    TRV_TRY_ASSIGN(const log::Bounds source, from_.bounds(shard_));
    if (source.first > Lsn(1)) {
      return fail(ErrorCode::conflict,
                  fmt::format("the log of shard {} begins with record {}: what came before was trimmed, and only a "
                              "whole log can be copied",
                              shard_.value(), source.first.value()));
    }
    TRV_TRY_ASSIGN(const log::Bounds there, to_.bounds(shard_));
    if (there.last == Lsn(0)) return {};
    if (there.last > end_) {
      return holds_other_records(shard_,
                                 fmt::format("it has {} records, the source has {}", there.last.value(), end_.value()));
    }
    TRV_TRY_ASSIGN(const record::Record ours, log::RecordLookup(from_, shard_).at(there.last));
    TRV_TRY_ASSIGN(const record::Record theirs, log::RecordLookup(to_, shard_).at(there.last));
    if (there.first > Lsn(1) || ours->hash() != theirs->hash()) {
      return holds_other_records(shard_, fmt::format("its record {} is another one", there.last.value()));
    }
    chain_ = record::ChainVerifier(shard_, there.last, ours->epoch(), ours->time(), ours->hash());
    return {};
  }

  Status copy_records() {
    if (chain_.last() == end_) return {};
    TRV_TRY_ASSIGN(const auto reader, from_.read(shard_, chain_.last().next()));
    while (chain_.last() < end_) {
      TRV_TRY_ASSIGN(const log::StoredRecord stored, next_of(*reader, shard_, chain_.last().next()));
      TRV_TRY_ASSIGN(const record::RecordView record, record::RecordView::over(stored.bytes));
      if (!claim_ || claim_->epoch != record.epoch()) TRV_TRY(claim_for(record));
      TRV_TRY(chain_.accept(record));
      if (record.lsn() < claim_->next) {
        ++copied_.found;
        const bool is_last_there = record.lsn().next() == claim_->next;
        if (is_last_there && chain_.last_hash() != claim_->last_hash) {
          return holds_other_records(shard_, fmt::format("its record {} is another one", record.lsn().value()));
        }
        continue;
      }
      batch_.add(record);
      copied_.bytes += stored.bytes.size();
      if (batch_.size() >= batch_records_max || batch_.bytes() >= batch_bytes_max) TRV_TRY(hand_over());
    }
    TRV_TRY(hand_over());
    return settle_until(0);
  }

  /// The records keep their epochs, so each epoch is claimed before its first record.
  Status claim_for(const record::RecordView& record) {
    TRV_TRY(hand_over());
    TRV_TRY(settle_until(0));
    auto claim = to_.claim_as(shard_, record.epoch(), node, nonce_of(random_));
    if (!claim && claim.error().code() == ErrorCode::conflict) {
      return holds_other_records(shard_, claim.error().message());
    }
    if (!claim) return fail(claim.error());
    if (claim->next < record.lsn()) {
      return fail(ErrorCode::conflict,
                  fmt::format("another process took shard {} of the destination while it was copied; stop travd there "
                              "and begin with an empty destination",
                              shard_.value()));
    }
    claim_ = *claim;
    return {};
  }

  Status hand_over() {
    if (batch_.empty()) return {};
    TRV_ASSERT(claim_.has_value());
    TRV_TRY_ASSIGN(const log::Ticket ticket, to_.append(*claim_, std::exchange(batch_, {})));
    under_way_.push_back(ticket);
    return settle_until(under_way_max - 1);
  }

  Status settle_until(std::size_t left) {
    while (under_way_.size() > left) {
      TRV_TRY_ASSIGN(const log::Settled settled, to_.settle(under_way_.front()));
      under_way_.pop_front();
      if (settled.outcome == log::Outcome::lost) {
        return fail(ErrorCode::conflict,
                    fmt::format("another process took shard {} of the destination while it was copied; stop travd "
                                "there and begin with an empty destination",
                                shard_.value()));
      }
      if (progress_) progress_(settled.last.value(), end_.value(), false);
    }
    return {};
  }

  /// The copy is read from its beginning.
  Status check_copy() {
    record::ChainVerifier copy(shard_);
    if (end_ > Lsn(0)) {
      TRV_TRY_ASSIGN(const auto reader, to_.read(shard_, Lsn(1)));
      while (copy.last() < end_) {
        TRV_TRY_ASSIGN(const log::StoredRecord stored, next_of(*reader, shard_, copy.last().next()));
        TRV_TRY_ASSIGN(const record::RecordView record, record::RecordView::over(stored.bytes));
        TRV_TRY(copy.accept(record));
        if (progress_ && copy.last().value() % batch_records_max == 0) {
          progress_(copy.last().value(), end_.value(), true);
        }
      }
    }
    TRV_TRY_ASSIGN(const log::Bounds there, to_.bounds(shard_));
    if (there.last == end_ && copy.last_hash() == chain_.last_hash()) return {};
    return fail(ErrorCode::corrupt,
                fmt::format("the copy of shard {} ends with record {} and hash {}, the source with record {} and hash "
                            "{}; begin with an empty destination",
                            shard_.value(), there.last.value(), base::to_hex(copy.last_hash()), end_.value(),
                            base::to_hex(chain_.last_hash())));
  }

  log::EventLog& from_;
  log::EventLog& to_;
  const log::ShardId shard_;
  base::Random& random_;
  const Progress& progress_;
  Lsn end_;                      // of the source
  record::ChainVerifier chain_;  // over the source; over what was there already, its end
  std::optional<log::Claim> claim_;
  log::Batch batch_;
  std::deque<log::Ticket> under_way_;
  Copied copied_;
};

}  // namespace

Result<Copied> copy_shard(log::EventLog& from, log::EventLog& to, log::ShardId shard, base::Random& random,
                          const Progress& progress) {
  TRV_EXPECTS(&from != &to);
  return ShardCopy(from, to, shard, random, progress).run();
}

Status begin_copy(const std::filesystem::path& data_folder, std::string_view to) {
  return base::write_file(data_folder / marker, "." + std::string(marker), base::as_bytes(to), 0600);
}

Status end_copy(const std::filesystem::path& data_folder) {
  const std::filesystem::path file = data_folder / marker;
  if (::unlink(file.c_str()) != 0) {
    return fail(ErrorCode::unavailable,
                fmt::format("cannot remove {}: {}", file.string(), std::generic_category().message(errno)));
  }
  return base::sync_folder(data_folder);
}

Result<std::string> unfinished_copy(const std::filesystem::path& data_folder) {
  const auto text = base::read_file(data_folder / marker, marker_bytes_max);
  if (text) return std::string(base::as_text(*text));
  if (text.error().code() == ErrorCode::not_found) return std::string();
  return fail(text.error());
}

}  // namespace trv::copy
