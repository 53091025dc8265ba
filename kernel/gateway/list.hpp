#pragma once
// Answers of list requests.

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <string>
#include <vector>

#include "kernel/gateway/access.hpp"
#include "sdk/base/contract.hpp"

namespace trv::gateway {

/// {"items": […], "next_cursor": "…" or null}. `values` holds up to limit + 1 of what was read: the one too many says
/// that there is more. `to_object` renders one, `position` says where the next page would begin behind it.
template <typename Value, typename ToObject, typename Position>
[[nodiscard]] http::Response list_of(std::vector<Value> values, const Page& page, ToObject to_object,
                                     Position position) {
  TRV_EXPECTS(page.limit >= 1 && values.size() <= page.limit + 1);
  boost::json::object body;
  boost::json::array items;
  const bool more = values.size() > page.limit;
  if (more) values.resize(page.limit);
  for (const Value& value : values) items.push_back(to_object(value));
  body["items"] = std::move(items);
  body["next_cursor"] = more ? boost::json::value(to_cursor(position(values.back()))) : boost::json::value(nullptr);
  return http::json(200, boost::json::value(std::move(body)));
}

/// The same from a page that its store cut, with its own cursor.
template <typename StorePage, typename ToObject>
[[nodiscard]] http::Response page_response(const StorePage& page, ToObject to_object) {
  boost::json::array items;
  for (const auto& item : page.items) items.push_back(to_object(item));
  boost::json::object body;
  body["items"] = std::move(items);
  body["next_cursor"] = page.next.empty() ? boost::json::value(nullptr) : boost::json::value(to_cursor(page.next));
  return http::json(200, boost::json::value(std::move(body)));
}

/// Reads and answers: `read` is given a read transaction and the page with one value more than asked for.
template <typename Read, typename Render>
void answer_list(Services& services, Call call, Read read, Render render) {
  const auto page = page_of(call.request());
  if (!page) return call.responder.fail(page.error());
  const auto txn = services.projection.begin_read();
  if (!txn) return call.responder.fail(txn.error());
  auto values = read(*txn, page->after, page->limit + 1);
  if (!values) return call.responder.fail(values.error());
  call.responder.send(render(*std::move(values), *page));
}

}  // namespace trv::gateway
