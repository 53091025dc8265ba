#pragma once
// Answers of list requests.

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <string>
#include <vector>

#include "kernel/gateway/access.hpp"
#include "sdk/base/contract.hpp"

namespace trv::gateway {

[[nodiscard]] inline std::string to_text(const boost::json::object& object) {
  return boost::json::serialize(object);
}
/// JSON text that is ready.
[[nodiscard]] inline std::string to_text(std::string json) {
  return json;
}

/// {"items": […], "next_cursor": "…" or null}; `render` gives the JSON of one item, as an object or as text. `next`:
/// where the next page begins; empty where this was the last.
template <typename Items, typename Render>
[[nodiscard]] http::Response list_response(const Items& items, const Page& page, std::string_view next, Render render) {
  std::string body = "{\"items\":[";
  bool first = true;
  for (const auto& item : items) {
    if (!first) body += ',';
    first = false;
    body += to_text(render(item));
  }
  body += "],\"next_cursor\":";
  body += next.empty() ? "null" : '"' + to_cursor(page, next) + '"';
  body += '}';
  return http::json_text(200, std::move(body));
}

/// Answers with the page of `shard` that `read` gives: it is called with a read transaction, where the page begins and
/// how many values to read, which is one more than asked for: that one says that there is more. `position` says where
/// the next page would begin behind a value.
template <typename Read, typename Render, typename Position>
void answer_list(const node::Shard& shard, Call call, Read read, Render render, Position position) {
  const auto page = page_of(call.request());
  if (!page) return call.responder.fail(page.error());
  const auto txn = shard.begin_read();
  if (!txn) return call.responder.fail(txn.error());
  auto values = read(*txn, page->after, page->limit + 1);
  if (!values) return call.responder.fail(values.error());
  TRV_ASSERT(values->size() <= page->limit + 1);
  const bool more = values->size() > page->limit;
  if (more) values->resize(page->limit);
  call.responder.send(
      list_response(*values, *page, more ? std::string(position(values->back())) : std::string(), render));
}

/// The same for what `read` lists of the call's tenant.
template <typename Value>
using ReadOfTenant = Result<std::vector<Value>> (tenancy::TenancyStore::*)(const lmdb::Txn&, const base::TenantId&,
                                                                           std::string_view, std::size_t) const;
template <typename Value, typename Render, typename Position>
void answer_list(Call call, ReadOfTenant<Value> read, Render render, Position position) {
  const node::Shard& shard = call.shard;
  const base::TenantId tenant = call.tenant;
  answer_list(
      shard, std::move(call),
      [&](const lmdb::Txn& txn, const std::string& after, std::size_t count) {
        return (shard.tenancy().*read)(txn, tenant, after, count);
      },
      render, position);
}

}  // namespace trv::gateway
