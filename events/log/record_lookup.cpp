#include "events/log/record_lookup.hpp"

#include <fmt/format.h>

#include "sdk/base/contract.hpp"

namespace trv::log {
namespace {

/// Reading so many records costs about as much as a new reader.
constexpr std::uint64_t skipped_max = 64;

}  // namespace

base::Result<record::Record> RecordLookup::at(Lsn place) {
  const Lsn lsn = record::Stays::lsn_of(place);
  const ShardId shard = stays_.shard_of(place);
  TRV_EXPECTS(lsn >= Lsn(1));
  if (reader_ == nullptr || shard != shard_ || next_ > lsn || lsn.value() - next_.value() > skipped_max) {
    TRV_TRY_ASSIGN(reader_, log_->read(shard, lsn));
    shard_ = shard;
    next_ = lsn;
  }
  for (;;) {
    TRV_TRY_ASSIGN(const auto stored, reader_->next(base::Duration(0)));
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
