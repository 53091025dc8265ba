#pragma once
// Operations of a service with a JSON API, written as a table: which request an operation makes of its input, and what
// of the answer becomes its output.
//
//   const rest::Service& github() {
//     static const rest::Service service = {.name = "GitHub", .headers = {…}, .routes = {
//       {.operation = "create-issue", .method = "POST", .path = "/repos/{owner}/{repo}/issues", .target =
//       "{owner}/{repo}",
//        .body = {{"title", rest::Need::required}, {"body"}}, .output = {{"number", "number"}, {"url", "html_url"}}}}};
//     return service;
//   }
//   class Github : public Plugin {
//    public:
//     static Operations<Github> operations() { return rest::operations<Github>(github(), &Github::run); }
//     Task run(Call& call) { return rest::run(call, github()); }
//   };
//
// Plain values, without Boost.JSON in this header; any thread. A failure has the code of its status, the service's own
// reason, and after a used-up rate limit the time to wait.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/cpp/plugin.hpp"

namespace rest {

enum class Need : std::uint8_t { optional, required };
enum class Coding : std::uint8_t {
  plain,
  base64,  ///< a text of the input or the output, which the service has as base64
  names,   ///< only of a Pick: the `name` of each item of a list
};

/// A member of the input that goes into the query or the body. An object in a query is a parameter for each member.
struct Field {
  std::string_view name;
  Need need = Need::optional;
  std::string_view to = {};  ///< what the service calls it, "a.b" for b within a; empty = the same
  Coding coding = Coding::plain;
};

/// A member of the output.
struct Pick {
  std::string_view name;
  /// In the answer, "a.b" for b within a, or "header:Name"; left out of the output where it is missing or null.
  std::string_view from;
  Coding coding = Coding::plain;
};

enum class Answer : std::uint8_t {
  object,   ///< the output has what `output` picks; the first of it must be there
  list,     ///< the output has `items`, of each what `output` picks, and `has_more` or `next_cursor`
  texts,    ///< a list, of which the one pick becomes an array of texts
  nothing,  ///< the output is {}
};

struct Route {
  std::string_view operation;
  std::string_view method;
  std::string_view path;    ///< "{x}" is the text x of the input, "{#x}" an integer, "{/x}" a path of several segments
  std::string_view target;  ///< what messages call it, with the same braces
  std::vector<Field> query = {};
  std::vector<Field> body = {};
  std::vector<Pick> output = {};
  Answer answer = Answer::object;
  std::string_view list_at = {};  ///< where the answer has its list; empty = it is one
  std::uint32_t page_size = 0;    ///< of a list with pages by number and a Link header: at most so many at once
  std::string_view next_cursor =
      {};  ///< of a list with cursors: where the answer has the next, or a link with `cursor`
  std::string_view constant_body = {};  ///< JSON object that the fields are put over
};

struct Service {
  std::string_view name;
  std::vector<trv::sdk::Header> headers = {};  ///< of every request; Content-Type is application/json unless it is here
  std::vector<Route> routes = {};
  /// Whether the response means a used-up limit although its status is not 429; may be null.
  bool (*is_rate_limited)(const trv::sdk::Response&) = nullptr;
  /// Of a service that refuses with a status of 2xx, too: the failure, if it is one; may be null.
  std::optional<trv::sdk::Failure> (*refused)(const trv::sdk::Response&, const std::string& target) = nullptr;
};

/// Makes the request, or the requests, of the call's operation. The service lives as long as the library.
[[nodiscard]] trv::sdk::Task run(trv::sdk::Call& call, const Service& service);

template <typename P>
[[nodiscard]] trv::sdk::Operations<P> operations(const Service& service,
                                                 trv::sdk::Task (P::*handler)(trv::sdk::Call&)) {
  trv::sdk::Operations<P> out;
  for (const Route& route : service.routes) out.push_back({route.operation, handler});
  return out;
}

}  // namespace rest
