#pragma once
// A small projector over example records; for tests and benchmarks.

#include <cstring>
#include <functional>

#include "events/lmdb/table.hpp"
#include "events/projection/projector.hpp"

namespace trv::projection {

/// Keeps the last lsn of every stream, the size of every payload by lsn and a sum.
class ExampleProjector : public Projector {
 public:
  explicit ExampleProjector(std::uint32_t layout_version = 1) noexcept : layout_version_(layout_version) {}

  [[nodiscard]] std::string_view name() const override { return "example"; }
  [[nodiscard]] std::uint32_t layout_version() const override { return layout_version_; }

  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn) override {
    TRV_TRY_ASSIGN(streams_, txn.create_table("example.streams"));
    TRV_TRY_ASSIGN(sizes_, txn.create_table("example.sizes", lmdb::Keys::integer));
    return {};
  }

  [[nodiscard]] base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& record) override {
    if (before_apply) TRV_TRY(before_apply(record));
    const std::uint64_t lsn = record.lsn().value();
    TRV_TRY(streams_.put(txn, record.stream_id(), bytes_of(lsn)));
    return sizes_.put(txn, lsn, bytes_of(record.payload().size() + salt));
  }

  [[nodiscard]] base::Result<std::uint64_t> stream_count(const lmdb::Txn& txn) const { return streams_.count(txn); }

  std::function<base::Status(const record::RecordView&)> before_apply;
  std::uint64_t salt = 0;  ///< a planted bug: state that replay does not know

 private:
  [[nodiscard]] static base::BytesView bytes_of(const std::uint64_t& number) noexcept {
    return {reinterpret_cast<const std::uint8_t*>(&number), sizeof number};
  }

  std::uint32_t layout_version_;
  lmdb::Table streams_;
  lmdb::Table sizes_;
};

}  // namespace trv::projection
