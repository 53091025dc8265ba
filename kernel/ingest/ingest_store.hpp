#pragma once
// Events from outside: webhooks and CloudEvents. A CloudEvent is taken once per (source, id), a webhook's delivery once
// per (connection, id); refused ones are facts too.

#include <optional>
#include <string>
#include <string_view>

#include "events/lmdb/table.hpp"
#include "events/projection/projector.hpp"
#include "kernel/json/value.hpp"
#include "kernel/shard/decision.hpp"
#include "sdk/base/digest.hpp"

namespace trv::ingest {

/// Data that is too large for a record: a blob holds its bytes, the record names it by digest and size.
struct LargeData {
  base::Digest sha256{};
  std::uint64_t bytes = 0;
  bool is_base64 = false;  ///< it is `data_base64` of the event; the blob has the decoded bytes
  json::Value value;       ///< as an expression sees it, for as long as the command is there
};

/// An event as it came in, by the attributes of CloudEvents 1.0.
struct Received {
  std::string id;  ///< unique within source, or within connection where there is one
  std::string source;
  std::string type;
  std::string subject;  ///< empty: none
  std::optional<base::Timestamp> time;
  std::string datacontenttype{};     ///< empty: none
  std::string dataschema{};          ///< empty: none
  std::string extensions{};          ///< JSON object of the extension attributes; empty: none
  std::string data;                  ///< JSON; empty: none
  std::string data_base64{};         ///< data that is neither JSON nor text; then `data` is empty
  std::string channel;               ///< webhook:<plugin>/<name>, webhook:<name> or api
  std::optional<LargeData> large{};  ///< then `data` and `data_base64` are empty
  std::string connection{};          ///< of a webhook; empty: the id is the source's
  base::Digest body_sha256{};
};

struct Refused {
  std::string channel;
  std::string reason;
  std::string source_address;
  base::Digest body_sha256{};
};

/// Remembers which events were taken. `apply` belongs to the shard's thread.
class IngestStore final : public projection::Projector {
 public:
  [[nodiscard]] std::string_view name() const override { return "ingest"; }
  [[nodiscard]] std::uint32_t layout_version() const override { return 5; }
  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn) override;
  [[nodiscard]] base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& event) override;

  /// The id of the record that took this event before, or nullopt.
  [[nodiscard]] base::Result<std::optional<base::Uuid>> taken(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                              const Received& event) const;

  /// Whether an event's record names this blob.
  [[nodiscard]] base::Result<bool> names_blob(const lmdb::Txn& txn, const base::Digest& sha256) const {
    return blobs_.contains(txn, base::BytesView(sha256));
  }

  /// Calls visit(time, key) for the events that the tenant took, the oldest first, until it answers stop. A key is
  /// what trv.retention.applied names an event by.
  template <typename Visit>
  [[nodiscard]] base::Status oldest_taken(const lmdb::Txn& txn, const base::TenantId& tenant, Visit visit) const {
    const std::string prefix = tenant.value() + '\0';
    return lmdb::scan(txn, by_time_, base::as_bytes(prefix), {}, lmdb::Direction::forward,
                      [&](base::BytesView key, base::BytesView) -> base::Result<lmdb::Visit> {
                        TRV_EXPECTS(key.size() == prefix.size() + 24);
                        return visit(base::Timestamp(number_at(key, prefix.size())), key.last(16));
                      });
  }

 private:
  [[nodiscard]] static std::int64_t number_at(base::BytesView key, std::size_t at);
  [[nodiscard]] base::Status forget(lmdb::WriteTxn& txn, const record::RecordView& event);

  lmdb::Table taken_;    ///< tenant 0 key → event id, time
  lmdb::Table by_time_;  ///< tenant 0 time key
  lmdb::Table blobs_;    ///< digest; for as long as the log names it
};

inline constexpr std::string_view received_type = "trv.event.received";

/// As received(), also of an event that was taken before. Error: invalid.
[[nodiscard]] base::Status check_attributes(const Received& event);
/// The event's record. Whether it was taken before is asked first, with taken(). Errors: invalid attributes.
[[nodiscard]] base::Result<record::Draft> received(const shard::DecisionContext& context, const Received& event);
[[nodiscard]] record::Draft refused(const shard::DecisionContext& context, const Refused& event);

}  // namespace trv::ingest
