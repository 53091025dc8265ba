#include "kernel/shard/timers.hpp"

#include <algorithm>

#include "sdk/base/big_endian.hpp"
#include "sdk/base/contract.hpp"

namespace trv::shard {
namespace {

constexpr std::size_t owner_bytes_max = 200;

// due (big-endian, so that rows are in order of time) ‖ tenant ‖ 0 ‖ owner
base::Bytes key_of(const Timer& timer) {
  TRV_EXPECTS(timer.due.ns() >= 0 && timer.owner.size() <= owner_bytes_max);
  TRV_EXPECTS(!timer.tenant.empty() && !timer.owner.empty());
  base::Bytes key;
  key.reserve(8 + timer.tenant.value().size() + 1 + timer.owner.size());
  base::append_big_endian(key, static_cast<std::uint64_t>(timer.due.ns()));
  key.insert(key.end(), timer.tenant.value().begin(), timer.tenant.value().end());
  key.push_back(0);
  key.insert(key.end(), timer.owner.begin(), timer.owner.end());
  return key;
}

base::Result<Timer> timer_of(base::BytesView key) {
  const auto end = std::ranges::find(key.begin() + std::min<std::ptrdiff_t>(8, std::ssize(key)), key.end(), 0);
  const bool whole = key.size() >= 9 && end != key.end() && end != key.begin() + 8 && end + 1 != key.end();
  if (!whole || key.end() - end > 1 + static_cast<std::ptrdiff_t>(owner_bytes_max)) {
    return base::fail(base::ErrorCode::corrupt, "timer row has no tenant or no owner");
  }
  const std::uint64_t ns = base::big_endian(key.first(8));
  if (ns > INT64_MAX) return base::fail(base::ErrorCode::corrupt, "timer row is due beyond all time");
  return Timer{base::Timestamp(static_cast<std::int64_t>(ns)), base::TenantId(std::string(key.begin() + 8, end)),
               std::string(end + 1, key.end())};
}

}  // namespace

base::Status Timers::open(lmdb::WriteTxn& txn) {
  TRV_TRY_ASSIGN(table_, txn.create_table("timers"));
  return {};
}

base::Status Timers::set(lmdb::WriteTxn& txn, const Timer& timer) const {
  return table_.put(txn, key_of(timer), {});
}

base::Status Timers::cancel(lmdb::WriteTxn& txn, const Timer& timer) const {
  TRV_TRY(table_.erase(txn, key_of(timer)));
  return {};
}

base::Result<bool> Timers::contains(const lmdb::Txn& txn, const Timer& timer) const {
  return table_.contains(txn, key_of(timer));
}

base::Status Timers::take_all(lmdb::WriteTxn& txn, const base::TenantId& tenant,
                              const std::function<base::Status(const Timer&)>& take) const {
  TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, table_));
  TRV_TRY_ASSIGN(auto entry, cursor.first());
  while (entry) {
    TRV_TRY_ASSIGN(const Timer timer, timer_of(entry->key));
    if (timer.tenant == tenant) {
      TRV_TRY(cursor.erase());
      TRV_TRY(take(timer));
    }
    TRV_TRY_ASSIGN(entry, cursor.next());
  }
  return {};
}

base::Result<std::vector<Timer>> Timers::due(const lmdb::Txn& txn, base::Timestamp now, std::size_t count_max) const {
  std::vector<Timer> timers;
  TRV_TRY(lmdb::scan(txn, table_, {}, {}, lmdb::Direction::forward,
                     [&](base::BytesView key, base::BytesView) -> base::Result<lmdb::Visit> {
                       TRV_TRY_ASSIGN(Timer timer, timer_of(key));
                       if (timer.due > now || timers.size() == count_max) return lmdb::Visit::stop;
                       TRV_ASSERT(timers.empty() || timers.back().due <= timer.due);
                       timers.push_back(std::move(timer));
                       return lmdb::Visit::go_on;
                     }));
  TRV_ENSURES(timers.size() <= count_max);
  return timers;
}

}  // namespace trv::shard
