#pragma once
// Answers of list requests.

#include <concepts>
#include <string>
#include <vector>

#include "kernel/gateway/access.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/contract.hpp"

namespace trv::gateway {

/// {"items": […], "next_cursor": "…" or null}; `render` gives one item, as a value or as its JSON text. `next`:
/// where the next page begins; empty where this was the last.
template <typename Items, typename Render>
[[nodiscard]] http::Response list_response(const Items& items, const Page& page, std::string_view next, Render render) {
  std::string body = "{\"items\":[";
  bool first = true;
  for (const auto& item : items) {
    if (!first) body += ',';
    first = false;
    if constexpr (std::same_as<decltype(render(item)), json::Value>) {
      (void)json::append(body, render(item), {});
    } else {
      body += render(item);
    }
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
base::Status answer_list(const node::Shard& shard, Call& call, Read read, Render render, Position position) {
  TRV_TRY_ASSIGN(const Page page, page_of(call.request()));
  TRV_TRY_ASSIGN(const auto txn, shard.begin_read());
  TRV_TRY_ASSIGN(auto values, read(txn, page.after, page.limit + 1));
  TRV_ASSERT(values.size() <= page.limit + 1);
  const bool more = values.size() > page.limit;
  if (more) values.resize(page.limit);
  return call.send(list_response(values, page, more ? std::string(position(values.back())) : std::string(), render));
}

/// A handler that answers with what `read` lists of the call's tenant; a page goes on behind the last `position`.
template <typename Value>
[[nodiscard]] Handle list_of(Result<std::vector<Value>> (tenancy::TenancyStore::*read)(
                                 const lmdb::Txn&, const base::TenantId&, std::string_view, std::size_t) const,
                             json::Value (*render)(const Value&), std::string Value::* position) {
  return [=](Call& call) {
    return answer_list(
        call.shard, call,
        [&](const lmdb::Txn& txn, const std::string& after, std::size_t count) {
          return (call.shard.tenancy().*read)(txn, call.tenant, after, count);
        },
        render, [position](const Value& one) { return one.*position; });
  };
}

}  // namespace trv::gateway
