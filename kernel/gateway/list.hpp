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

/// The same where `values` holds up to limit + 1 of what was read: the one too many says that there is more. `position`
/// says where the next page would begin behind a value.
template <typename Value, typename Render, typename Position>
[[nodiscard]] http::Response list_of(std::vector<Value> values, const Page& page, Render render, Position position) {
  TRV_EXPECTS(page.limit >= 1 && values.size() <= page.limit + 1);
  const bool more = values.size() > page.limit;
  if (more) values.resize(page.limit);
  return list_response(values, page, more ? std::string(position(values.back())) : std::string(), render);
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
