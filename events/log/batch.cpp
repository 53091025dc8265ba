#include "events/log/batch.hpp"

#include "sdk/base/contract.hpp"

namespace trv::log {

void Batch::add(const record::RecordView& record) {
  if (spans_.empty()) {
    shard_ = record.shard();
    epoch_ = record.epoch();
    first_ = record.lsn();
  } else {
    TRV_EXPECTS(record.shard() == shard_ && record.epoch() == epoch_ && record.lsn() == last().next());
  }
  const std::size_t offset = memory_.append(record.stored());
  spans_.push_back({offset, record.stored().size()});
  if (record.decision_end()) decided_ = spans_.size();
  TRV_ENSURES(last() == record.lsn() && decided_ <= spans_.size());
}

base::BytesView Batch::at(std::size_t index) const noexcept {
  TRV_EXPECTS(index < spans_.size());
  return memory_.view(spans_[index].offset, spans_[index].size);
}

void Batch::drop_undecided() noexcept {
  if (decided_ == spans_.size()) return;
  memory_.shrink(spans_[decided_].offset);
  spans_.resize(decided_);
  TRV_ENSURES(decided_ == spans_.size());
}

void Batch::clear() noexcept {
  memory_.clear();
  spans_.clear();
  decided_ = 0;
}

}  // namespace trv::log
