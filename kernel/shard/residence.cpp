#include "kernel/shard/residence.hpp"

#include <fmt/format.h>

#include "events/record/payload.hpp"
#include "events/record/row.hpp"
#include "events/schema/tenancy_generated.h"
#include "sdk/base/big_endian.hpp"
#include "sdk/base/contract.hpp"

namespace trv::shard {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using record::Lsn;
using record::ShardId;
using record::text_of;

std::string encode(const Residency& residency) {
  std::string row;
  record::RowWriter writer(row);
  writer << static_cast<std::uint8_t>(residency.presence) << residency.move << residency.other.value()
         << residency.last.value() << residency.stays.first.value() << residency.mark.table << residency.mark.key
         << residency.mark.value_bytes << residency.stays.earlier.size();
  for (const record::Stay& stay : residency.stays.earlier) {
    writer << stay.shard.value() << stay.first.value() << stay.last.value();
  }
  return row;
}

Result<Residency> decode(base::BytesView row) {
  std::uint8_t presence = 0;
  std::uint64_t other = 0;
  std::uint64_t last = 0;
  std::uint64_t first = 0;
  Residency residency;
  record::RowReader reader(row);
  reader >> presence >> residency.move >> other >> last >> first >> residency.mark.table >> residency.mark.key >>
      residency.mark.value_bytes;
  for (std::size_t left = reader.count(3); left > 0; --left) {
    std::uint64_t shard = 0;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    reader >> shard >> begin >> end;
    residency.stays.earlier.push_back({.shard = ShardId(shard), .first = Lsn(begin), .last = Lsn(end)});
  }
  TRV_TRY(reader.finish("the row of a tenant that moved"));
  if (presence > static_cast<std::uint8_t>(Presence::gone)) {
    return fail(ErrorCode::corrupt, "the row of a tenant that moved cannot be read; rebuild the projection");
  }
  residency.presence = static_cast<Presence>(presence);
  residency.other = ShardId(other);
  residency.last = Lsn(last);
  residency.stays.first = Lsn(first);
  return residency;
}

std::string prefix_of(const base::TenantId& tenant) {
  return tenant.value() + '\0';
}

base::Error unexpected(const record::RecordView& event) {
  return {ErrorCode::corrupt,
          fmt::format("{} of tenant '{}' does not follow from the records before it", event.type(), event.tenant())};
}

}  // namespace

base::Status Residence::open(lmdb::WriteTxn& txn) {
  is_known_ = has_changed_ = false;
  known_.clear();
  TRV_TRY_ASSIGN(table_, txn.create_table("residence"));
  TRV_TRY_ASSIGN(held_timers_, txn.create_table("residence_timers"));
  return rows_.open(txn);
}

base::Status Residence::learn(const lmdb::Txn& txn) {
  if (is_known_) return {};
  known_.clear();
  TRV_TRY(lmdb::scan(txn, table_, {}, {}, lmdb::Direction::forward,
                     [&](base::BytesView key, base::BytesView value) -> Result<lmdb::Visit> {
                       TRV_TRY_ASSIGN(const Residency one, decode(value));
                       known_.insert_or_assign(
                           std::string(base::as_text(key)),
                           Known{.presence = one.presence, .other = one.other, .stays = one.stays.earlier.size()});
                       return lmdb::Visit::go_on;
                     }));
  is_known_ = true;
  has_changed_ = false;
  return {};
}

base::Status Residence::apply(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY(learn(txn));
  const std::string_view type = event.type();
  if (type == record::departed_type) return depart(txn, event);
  if (type == record::rows_copied_type) return copy(txn, event);
  if (type == record::arrived_type) return arrive(txn, event);
  return type == record::rows_erased_type ? erase(txn, event) : base::Status();
}

base::Status Residence::put(lmdb::WriteTxn& txn, const base::TenantId& tenant, const Residency& residency) {
  has_changed_ = true;
  known_[tenant.value()] = {
      .presence = residency.presence, .other = residency.other, .stays = residency.stays.earlier.size()};
  return table_.put(txn, tenant.value(), base::as_bytes(encode(residency)));
}

base::Status Residence::depart(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* departed, record::payload_of<schema::tenancy::TenantDeparted>(event));
  const base::TenantId tenant{std::string(event.tenant())};
  TRV_TRY_ASSIGN(const auto before, find(txn, tenant));
  if (before && before->presence != Presence::here) return fail(unexpected(event));
  Residency residency = before.value_or(Residency{});
  residency.presence = Presence::departed;
  residency.move = departed->move();
  residency.other = ShardId(departed->to());
  residency.last = event.lsn();
  TRV_TRY(timers_.take_all(txn, tenant, [&](const Timer& timer) {
    std::string key = prefix_of(tenant);
    base::append_big_endian(key, static_cast<std::uint64_t>(timer.due.ns()));
    return held_timers_.put(txn, key + timer.owner, {});
  }));
  return put(txn, tenant, residency);
}

base::Status Residence::copy(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* copied, record::payload_of<schema::tenancy::RowsCopied>(event));
  const base::TenantId tenant{std::string(event.tenant())};
  if (text_of(copied->layout()) != layout_) {
    return fail(ErrorCode::invalid,
                fmt::format("another version of travd copied the rows of tenant '{}', with the layouts '{}'; this one "
                            "reads '{}'. Run a version on this node that reads those",
                            tenant.value(), text_of(copied->layout()), layout_));
  }
  TRV_TRY_ASSIGN(const auto before, find(txn, tenant));
  const bool goes_on = before && before->presence == Presence::arriving && before->move == copied->move();
  if (before && !goes_on && before->presence != Presence::gone) return fail(unexpected(event));
  Residency residency;
  residency.presence = Presence::arriving;
  residency.move = copied->move();
  residency.other = ShardId(copied->from());
  const base::BytesView rows =
      copied->rows() == nullptr ? base::BytesView() : base::BytesView(copied->rows()->data(), copied->rows()->size());
  TRV_TRY_ASSIGN(residency.mark, rows_.put(txn, tenant, goes_on ? before->mark : CopyMark{}, text_of(copied->table()),
                                           rows, copied->appends(), copied->goes_on()));
  return put(txn, tenant, residency);
}

base::Status Residence::arrive(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* arrived, record::payload_of<schema::tenancy::TenantArrived>(event));
  const base::TenantId tenant{std::string(event.tenant())};
  TRV_TRY_ASSIGN(const auto before, find(txn, tenant));
  const std::size_t count = arrived->shards() == nullptr ? 0 : arrived->shards()->size();
  const bool is_whole = count > 0 && arrived->firsts() != nullptr && arrived->firsts()->size() == count &&
                        arrived->lasts() != nullptr && arrived->lasts()->size() == count;
  if (!before || before->presence != Presence::arriving || before->move != arrived->move() || !is_whole) {
    return fail(unexpected(event));
  }
  Residency residency;
  residency.move = before->move;
  residency.other = before->other;
  residency.stays.first = event.lsn();
  for (flatbuffers::uoffset_t i = 0; i < count; ++i) {
    residency.stays.earlier.push_back({.shard = ShardId(arrived->shards()->Get(i)),
                                       .first = Lsn(arrived->firsts()->Get(i)),
                                       .last = Lsn(arrived->lasts()->Get(i))});
  }
  const std::string prefix = prefix_of(tenant);
  TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, held_timers_));
  TRV_TRY_ASSIGN(auto entry, cursor.seek(prefix));
  while (entry && lmdb::begins_with(entry->key, base::as_bytes(prefix))) {
    const std::string key(base::as_text(entry->key).substr(prefix.size()));
    if (key.size() <= 8) return fail(ErrorCode::corrupt, "the row of a held timer has no owner");
    const auto due = static_cast<std::int64_t>(base::big_endian(base::as_bytes(key).first(8)));
    TRV_TRY(cursor.erase());
    TRV_TRY(timers_.set(txn, {base::Timestamp(due), tenant, key.substr(8)}));
    TRV_TRY_ASSIGN(entry, cursor.next());
  }
  return put(txn, tenant, residency);
}

base::Status Residence::erase(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* erased, record::payload_of<schema::tenancy::RowsErased>(event));
  const base::TenantId tenant{std::string(event.tenant())};
  TRV_TRY_ASSIGN(const auto before, find(txn, tenant));
  if (!before || before->presence != Presence::departed) return fail(unexpected(event));
  TRV_TRY(rows_.erase(txn, tenant, erased->rows()));
  TRV_TRY_ASSIGN(const std::size_t left, rows_.count(txn, tenant, 1));
  if (left > 0) return {};
  Residency residency;
  residency.presence = Presence::gone;
  residency.move = before->move;
  residency.other = before->other;
  return put(txn, tenant, residency);
}

Lsn Residence::place(const record::RecordView& record) const {
  if (known_.empty()) return record.lsn();
  const auto at = known_.find(record.tenant());
  if (at == known_.end()) return record.lsn();
  return record::in_stay(at->second.stays, record.lsn());
}

base::Status Residence::check_here(const lmdb::Txn& txn, const base::TenantId& tenant) {
  TRV_TRY(learn(txn));
  const auto at = known_.empty() ? known_.end() : known_.find(tenant.value());
  if (at == known_.end() || at->second.presence == Presence::here) return {};
  return fail(
      ErrorCode::unavailable,
      fmt::format("tenant '{}' moves to another shard; nothing was changed; ask again in a moment", tenant.value()));
}

Result<std::optional<Residency>> Residence::find(const lmdb::Txn& txn, const base::TenantId& tenant) const {
  if (tenant.empty() || tenant.value().size() > lmdb::key_bytes_max) return std::nullopt;
  TRV_TRY_ASSIGN(const auto row, table_.get(txn, tenant.value()));
  if (!row) return std::nullopt;
  TRV_TRY_ASSIGN(Residency residency, decode(*row));
  return residency;
}

Result<record::Stays> Residence::stays(const lmdb::Txn& txn, ShardId shard, const base::TenantId& tenant) const {
  TRV_TRY_ASSIGN(auto residency, find(txn, tenant));
  record::Stays stays = residency ? std::move(residency->stays) : record::Stays{};
  stays.shard = shard;
  return stays;
}

}  // namespace trv::shard
