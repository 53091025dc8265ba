#include "kernel/tenancy/revocations.hpp"

#include <fmt/format.h>

#include "events/record/payload.hpp"
#include "events/schema/plugin_generated.h"
#include "kernel/tenancy/rows.hpp"
#include "sdk/base/contract.hpp"

namespace trv::tenancy {
namespace {

using base::ErrorCode;
using record::text_of;

constexpr std::size_t lists_max = 1'000;  ///< more issuers than a trust file has
constexpr std::string_view event_type = "trv.revocations.imported";

struct Row {
  std::string text;
  base::Timestamp imported;
};

base::Result<Row> row_of(base::BytesView row) {
  return row_as<schema::plugin::RevocationsImported>(row, [](const record::RecordView& record, const auto& event) {
    return Row{std::string(text_of(event.list())), record.time()};
  });
}

base::Result<RevocationList> list_of(base::BytesView row) {
  TRV_TRY_ASSIGN(const Row stored, row_of(row));
  auto opened = trust::open_revocations(stored.text);
  // It was opened before it was recorded.
  if (!opened) return base::fail(ErrorCode::corrupt, opened.error().message());
  return RevocationList{std::move(opened->list), opened->key.format(), stored.imported};
}

}  // namespace

base::Status TenancyStore::apply_revocations(lmdb::WriteTxn& txn, const record::RecordView& event) {
  if (event.type() != event_type) return {};
  TRV_TRY_ASSIGN(const auto* imported, record::payload_of<schema::plugin::RevocationsImported>(event));
  return revocations_.put(txn, text_of(imported->signer_key()), event.stored());
}

base::Result<std::vector<RevocationList>> revocation_lists(const TenancyStore& store, const lmdb::Txn& txn,
                                                           std::string_view after, std::size_t count_max) {
  return list(txn, store.revocations(), "", after, count_max, list_of);
}

std::optional<std::string> reason_for(const std::vector<RevocationList>& lists, const Package& package) {
  // Of a package that was requested before signatures were, the archive is the content.
  const base::Digest content = package.signatures.content.value_or(package.package_sha256);
  for (const RevocationList& one : lists) {
    const auto reason =
        one.list.reason_for(content, package.signatures.publisher_key, package.signatures.certifier_key);
    if (reason)
      return fmt::format("{} (list {} of {})", *reason, one.list.counter, one.issuer.substr(0, one.issuer.find('+')));
  }
  return std::nullopt;
}

base::Status check_not_revoked(const TenancyStore& store, const lmdb::Txn& state, const Package& package) {
  TRV_TRY_ASSIGN(const auto lists, revocation_lists(store, state, "", lists_max));
  const auto reason = reason_for(lists, package);
  if (!reason) return {};
  return base::fail(ErrorCode::denied,
                    fmt::format("plugin {} {} is not installed: {}", package.plugin, package.version, *reason));
}

base::Result<shard::Decision> decide(const TenancyStore& store, const lmdb::Txn& state, shard::DecisionContext& context,
                                     const ImportRevocations& command) {
  TRV_EXPECTS(context.tenant == base::system_tenant());
  const auto opened = trust::open_revocations(command.list);
  // Who sends it is known; what was sent is wrong.
  if (!opened) return base::fail(ErrorCode::invalid, opened.error().message());
  const std::string key = opened->key.format();
  const trust::Root* root = command.roots.find(opened->key);
  if (root == nullptr || !root->revokes) {
    return base::fail(ErrorCode::denied,
                      fmt::format("the revocation list is signed by {}, which the trust file (plugins.trust) does not "
                                  "name for revocations: where you trust it, {}",
                                  opened->key.name(),
                                  root == nullptr ? fmt::format("add the line `{} revocations`", key)
                                                  : "add `revocations` to its line"));
  }
  TRV_TRY_ASSIGN(const auto stored, find(state, store.revocations(), key, row_of));
  if (stored && stored->text == command.list) return shard::Decision{};
  if (stored) {
    TRV_TRY_ASSIGN(const auto before, trust::open_revocations(stored->text));
    if (opened->list.counter <= before.list.counter) {
      return base::fail(ErrorCode::conflict,
                        fmt::format("the revocation list has counter {}, and list {} of {} is here already; an older "
                                    "list cannot replace a newer one",
                                    opened->list.counter, before.list.counter, opened->key.name()));
    }
  }
  flatbuffers::FlatBufferBuilder builder(command.list.size() + 1024);
  const auto signer = builder.CreateString(key);
  const auto text = builder.CreateString(command.list);
  const auto root_table = schema::plugin::CreateRevocationsImported(builder, signer, opened->list.counter, text);
  shard::Decision decision;
  decision.events.push_back(shard::draft(context, "revocations", fmt::format("{:08x}", opened->key.id()), event_type,
                                         record::finish(builder, root_table)));
  return decision;
}

}  // namespace trv::tenancy
