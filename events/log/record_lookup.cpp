#include "events/log/record_lookup.hpp"

#include <fmt/format.h>

#include "sdk/base/contract.hpp"

namespace trv::log {
namespace {

/// Reading so many records costs about as much as a new reader.
constexpr std::uint64_t skipped_max = 64;

// Who asks is often a client, and why a log refuses a read, or which broker does not answer, is not a client's
// business.
base::Error unreadable(ShardId shard, Lsn lsn, base::Error error) {
  const bool is_of_log = error.code() == base::ErrorCode::denied || error.code() == base::ErrorCode::invalid ||
                         error.code() == base::ErrorCode::unavailable;
  if (!is_of_log) return error;
  return {base::ErrorCode::unavailable,
          fmt::format("record {} of shard {} cannot be read now; try again later", lsn.value(), shard.value())};
}

}  // namespace

base::Result<record::Record> RecordLookup::at(Lsn place) {
  const Lsn lsn = record::Stays::lsn_of(place);
  const ShardId shard = stays_.shard_of(place);
  TRV_EXPECTS(lsn >= Lsn(1));
  if (reader_ == nullptr || shard != shard_ || next_ > lsn || lsn.value() - next_.value() > skipped_max) {
    auto reader = log_->read(shard, lsn);
    if (!reader) return base::fail(unreadable(shard, lsn, std::move(reader).error()));
    reader_ = *std::move(reader);
    shard_ = shard;
    next_ = lsn;
  }
  for (;;) {
    const auto read = reader_->next(base::Duration(0));
    if (!read) {
      reader_.reset();
      return base::fail(unreadable(shard, lsn, read.error()));
    }
    const auto& stored = *read;
    if (!stored) {
      reader_.reset();
      return base::fail(base::ErrorCode::not_found,
                        fmt::format("the log of shard {} has no record {}", shard_.value(), lsn.value()));
    }
    TRV_ASSERT(stored->lsn == next_);
    next_ = next_.next();
    if (stored->lsn == lsn) return record::Record::decode(stored->bytes);
  }
}

}  // namespace trv::log
