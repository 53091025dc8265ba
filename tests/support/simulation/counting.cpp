#include "tests/support/simulation/counting.hpp"

#include "events/record/entry.hpp"
#include "sdk/base/contract.hpp"

namespace trv::simulation {

std::vector<base::Bytes> counting(const log::InMemoryEventLog& log, log::ShardId shard, std::uint64_t& torn) {
  std::vector<base::Bytes> records;
  std::size_t whole = 0;
  log::Epoch epoch;
  for (base::Bytes& entry : log.entries(shard)) {
    const auto head = record::peek(entry);
    TRV_ASSERT(head.has_value());
    if (head->kind == record::EntryKind::claim && head->epoch > epoch) {
      epoch = head->epoch;
      if (records.size() > whole) ++torn;
      records.resize(whole);
    } else if (head->kind == record::EntryKind::record && head->epoch == epoch &&
               head->lsn.value() == records.size() + 1) {
      records.push_back(std::move(entry));
      if (head->decision_end) whole = records.size();
    }
  }
  records.resize(whole);
  return records;
}

}  // namespace trv::simulation
