#include "plugins/rest/rest.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "plugins/rest/coding.hpp"
#include "sdk/cpp/http_failure.hpp"
#include "sdk/cpp/url.hpp"
#include "sdk/cpp/utf8.hpp"
#include "sdk/cpp_json/json.hpp"

namespace rest {
namespace {

using namespace trv::sdk;

constexpr std::int64_t limit_otherwise = 30;
constexpr std::int64_t limit_max = 1'000;
constexpr std::size_t reason_bytes_max = 2'000;

const json::value* value_at(const json::value& from, std::string_view path) {
  const json::value* value = &from;
  while (!path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    if (!value->is_object()) return nullptr;
    value = value->get_object().if_contains(path.substr(0, dot));
    if (value == nullptr) return nullptr;
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return value;
}

void put_at(json::object& into, std::string_view path, json::value value) {
  const std::size_t dot = path.find('.');
  if (dot == std::string_view::npos) {
    into[path] = std::move(value);
    return;
  }
  json::value& next = into[path.substr(0, dot)];
  if (!next.is_object()) next = json::object();
  put_at(next.get_object(), path.substr(dot + 1), std::move(value));
}

/// Several segments, each of which stays below the one before.
std::optional<std::string> path_segments(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t slash = std::min(text.find('/'), text.size());
    const auto segment = path_segment(text.substr(0, slash));
    if (!segment) return std::nullopt;
    out += *segment;
    if (slash == text.size()) return out;
    out += '/';
    text.remove_prefix(slash + 1);
  }
}

enum class Use : std::uint8_t { path, message };

/// The text with what its braces name; what is wrong with it is in `input`, or in `wrong`.
std::string filled(std::string_view pattern, Input& input, Use use, std::optional<Failure>& wrong) {
  std::string out;
  while (!pattern.empty()) {
    const std::size_t brace = std::min(pattern.find('{'), pattern.size());
    out += pattern.substr(0, brace);
    pattern.remove_prefix(brace);
    if (pattern.empty()) break;
    const std::size_t end = pattern.find('}');
    std::string_view name = pattern.substr(1, end - 1);
    pattern.remove_prefix(end + 1);
    if (name.starts_with('#')) {
      out += std::to_string(input.integer(name.substr(1)));
    } else if (name.starts_with('/')) {
      const std::string text = input.text(name.substr(1));
      const auto segments = use == Use::path ? path_segments(text) : std::optional(text);
      if (!segments && !wrong)
        wrong = Failure{.code = Code::invalid,
                        .message = "input: " + std::string(name.substr(1)) + ": \"" + text + "\" cannot be in a path"};
      out += segments.value_or(std::string());
    } else {
      out += use == Use::path ? input.segment(name) : input.text(name);
    }
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_coded = text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    out += is_coded ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
    if (is_coded) i += 2;
  }
  return out;
}

std::string text_in_query(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  if (!value.is_array()) return json::serialize(value);
  std::string out;
  for (const json::value& item : value.get_array()) out += (out.empty() ? "" : ",") + text_in_query(item);
  return out;
}

std::string query_of(const Route& route, const Input& input, std::int64_t page, std::int64_t page_size) {
  std::string out;
  const auto add = [&](std::string_view name, const std::string& value) {
    out += out.empty() ? '?' : '&';
    out += percent_encode(name) + "=" + percent_encode(value);
  };
  for (const Field& field : route.query) {
    const json::value* value = input.value(field.name);
    if (value == nullptr) continue;
    if (const json::object* object = value->if_object()) {
      for (const auto& member : *object) add(member.key(), text_in_query(member.value()));
    } else {
      add(field.to.empty() ? field.name : field.to, text_in_query(*value));
    }
  }
  if (route.page_size > 0) {
    add("per_page", std::to_string(page_size));
    if (page > 1) add("page", std::to_string(page));
  }
  return out;
}

json::object body_of(const Route& route, const Input& input) {
  json::object body;
  if (auto constant = parse_object(route.constant_body)) body = std::move(*constant);
  for (const Field& field : route.body) {
    const json::value* value = input.value(field.name);
    if (value == nullptr) continue;
    const bool is_coded = field.coding == Coding::base64 && value->is_string();
    put_at(body, field.to.empty() ? field.name : field.to,
           is_coded ? json::value(json::string(to_base64(value->get_string()))) : *value);
  }
  return body;
}

std::optional<Failure> missing(const std::vector<Field>& fields, const Input& input) {
  for (const Field& field : fields) {
    if (field.need == Need::optional || input.has(field.name)) continue;
    return Failure{.code = Code::invalid, .message = "input: " + std::string(field.name) + ": is missing"};
  }
  return std::nullopt;
}

/// The texts of an error, whatever its shape: {"message", "errors"}, {"error": {"message"}}, {"errorMessages"},
/// {"field": ["text"]}.
void read_reason(const json::value& value, std::string_view name, std::string& out, int depth) {
  if (depth > 4 || out.size() > reason_bytes_max) return;
  if (value.is_string()) {
    if (value.get_string().empty()) return;
    if (!out.empty()) out += "; ";
    if (!name.empty()) out += std::string(name) + ": ";
    out += value.get_string();
  } else if (value.is_array()) {
    for (const json::value& item : value.get_array()) read_reason(item, name, out, depth + 1);
  } else if (const json::object* object = value.if_object()) {
    for (const auto& member : *object) read_reason(member.value(), member.key(), out, depth + 1);
  }
}

/// "missing_field" of {"field": "body", "code": "missing_field"} as GitHub gives it, or the texts of any other item.
std::string reason_of_item(const json::value& item) {
  const json::object* error = item.if_object();
  std::string out;
  if (error == nullptr || !(error->contains("code") || error->contains("message") || error->contains("title"))) {
    read_reason(item, "", out, 0);
    return out;
  }
  std::string_view text;
  for (const std::string_view member : {"message", "detail", "title", "code"})
    if (text.empty()) text = text_of(*error, member);
  const std::string_view field = text_of(*error, "field");
  return field.empty() ? std::string(text) : std::string(field) + ": " + std::string(text);
}

std::string reason_of(const Response& response) {
  const auto body = parse_object(response.body);
  if (!body) return "no reason given";
  std::string reason;
  for (const std::string_view member : {"message", "error_description", "error", "errorMessages", "detail"}) {
    const json::value* value = body->if_contains(member);
    if (value == nullptr || !reason.empty()) continue;
    const json::object* object = value->if_object();
    read_reason(object != nullptr && object->contains("message") ? object->at("message") : *value, "", reason, 0);
  }
  const json::value* errors = body->if_contains("errors");
  if (errors != nullptr && errors->is_array()) {
    for (const json::value& item : errors->get_array()) {
      const std::string text = reason_of_item(item);
      if (!text.empty()) reason += reason.empty() ? text : " (" + text + ")";
    }
  } else if (errors != nullptr) {
    read_reason(*errors, "", reason, 0);
  }
  if (!is_utf8(reason) || reason.size() > reason_bytes_max) return "a reason that is too long to repeat";
  return reason.empty() ? "no reason given" : reason;
}

/// Retry-After, or the time at which the limit begins anew, in seconds since 1970.
std::uint64_t wait_ms(const Response& response) {
  if (const std::uint64_t wait = retry_after_ms(response)) return wait;
  for (const std::string_view name : {"X-RateLimit-Reset", "RateLimit-Reset"}) {
    const auto reset = parse_decimal(response.header(name).value_or(""));
    const auto now = parse_http_date(response.header("Date").value_or(""));
    if (reset && now && *reset > *now) return std::min((*reset - *now) * 1000, retry_after_ms_max);
  }
  return 0;
}

Failure refusal(const Service& service, const Response& response, const std::string& target) {
  Failure failure =
      failure_of_status(response, std::string(service.name) + " answered " + std::to_string(response.status) + " for " +
                                      target + ": " + reason_of(response));
  const bool is_limited =
      response.status == 429 || (service.is_rate_limited != nullptr && service.is_rate_limited(response));
  if (is_limited) {
    failure.code = Code::exhausted;
    failure.retry = Retry::safe;
    failure.retry_after_ms = wait_ms(response);
  }
  return failure;
}

std::optional<Failure> refused(const Service& service, const Response& response, const std::string& target) {
  if (!response.ok()) return refusal(service, response, target);
  return service.refused == nullptr ? std::nullopt : service.refused(response, target);
}

Failure unreadable(const Service& service, const std::string& target) {
  return {.code = Code::unavailable,
          .message = std::string(service.name) + " answered for " + target + " with something unexpected"};
}

void pick(const json::value& from, const Pick& pick, json::object& out) {
  const json::value* value = value_at(from, pick.from);
  if (value == nullptr || value->is_null()) return;
  if (pick.coding == Coding::names && value->is_array()) {
    json::array names;
    for (const json::value& item : value->get_array())
      if (const json::value* name = value_at(item, "name")) names.push_back(*name);
    out[pick.name] = std::move(names);
    return;
  }
  if (pick.coding == Coding::plain || !value->is_string()) {
    out[pick.name] = *value;
    return;
  }
  const auto bytes = from_base64(value->get_string());
  if (bytes && is_utf8(*bytes)) out[pick.name] = *bytes;
}

constexpr std::string_view header_mark = "header:";

json::object picked(const Route& route, const json::value& from, const Response& response) {
  json::object out;
  for (const Pick& wanted : route.output) {
    if (!wanted.from.starts_with(header_mark)) {
      pick(from, wanted, out);
    } else if (const auto header = response.header(wanted.from.substr(header_mark.size()));
               header && is_utf8(*header)) {
      out[wanted.name] = *header;
    }
  }
  return out;
}

/// The cursor itself, or of a link the parameter `cursor`.
std::string cursor_of(std::string_view text) {
  static constexpr std::string_view parameter = "cursor=";
  if (!text.starts_with('/') && !text.starts_with("http")) return std::string(text);
  const std::size_t begin = text.find(parameter);
  if (begin == std::string_view::npos) return {};
  return percent_decode(text.substr(begin + parameter.size(), text.find('&', begin) - begin - parameter.size()));
}

bool has_next_page(const Response& response) {
  return response.header("Link").value_or("").find("rel=\"next\"") != std::string_view::npos;
}

const json::array* list_of(const Route& route, const json::value& answer) {
  const json::value* list = value_at(answer, route.list_at);
  return list == nullptr ? nullptr : list->if_array();
}

std::optional<json::object> output_of(const Route& route, const json::value& answer, const Response& response) {
  if (route.answer == Answer::nothing) return json::object();
  if (route.answer == Answer::texts) {
    const json::array* list = list_of(route, answer);
    if (list == nullptr || route.output.empty()) return std::nullopt;
    json::array texts;
    for (const json::value& item : *list)
      if (const json::value* text = value_at(item, route.output[0].from)) texts.push_back(*text);
    return json::object{{route.output[0].name, std::move(texts)}};
  }
  json::object out = picked(route, answer, response);
  const bool is_there = route.output.empty() || out.contains(route.output[0].name);
  return is_there ? std::optional(std::move(out)) : std::nullopt;
}

Request request_of(const Service& service, const Route& route, std::string path, const Input& input) {
  Request out = request(std::string(route.method), std::move(path));
  for (const Header& header : service.headers) out.header(header.name, header.value);
  if (route.body.empty() && route.constant_body.empty()) return out;
  const bool has_type = std::any_of(service.headers.begin(), service.headers.end(),
                                    [](const Header& header) { return same_header_name(header.name, "Content-Type"); });
  std::string body = json::serialize(body_of(route, input));
  if (has_type) {
    out.body(std::move(body));
  } else {
    out.json(body);
  }
  return out;
}

/// JSON, or null where the body is empty.
std::optional<json::value> read_json(const std::string& body) {
  if (body.empty()) return json::value();
  boost::system::error_code failure;
  json::value value = json::parse(body, failure);
  return failure ? std::nullopt : std::optional(std::move(value));
}

Task run_list(Call& call, const Service& service, const Route& route, Input input, std::string path,
              std::string target) {
  const std::int64_t limit =
      input.has("limit") ? std::clamp<std::int64_t>(input.integer("limit"), 1, limit_max) : limit_otherwise;
  if (input.failure()) co_return *input.failure();
  const std::int64_t page_size = std::min<std::int64_t>(limit, route.page_size);
  json::array items;
  bool has_more = true;
  std::string next_cursor;
  for (std::int64_t page = 1; has_more; ++page) {
    auto response = call.http(request_of(service, route, path + query_of(route, input, page, page_size), input));
    co_await response;
    if (!response) co_return response.failure();
    if (auto failure = refused(service, *response, target)) co_return *failure;
    const auto answer = read_json(response->body);
    const json::array* list = answer ? list_of(route, *answer) : nullptr;
    if (list == nullptr) co_return unreadable(service, target);
    has_more = route.page_size > 0 && has_next_page(*response);
    for (const json::value& item : *list) {
      if (route.page_size > 0 && static_cast<std::int64_t>(items.size()) == limit) {
        has_more = true;
        break;
      }
      items.emplace_back(picked(route, item, *response));
    }
    const json::value* cursor = route.next_cursor.empty() ? nullptr : value_at(*answer, route.next_cursor);
    if (cursor != nullptr && cursor->is_string()) next_cursor = cursor_of(cursor->get_string());
    if (static_cast<std::int64_t>(items.size()) >= limit || list->empty()) break;
  }
  json::object output = {{"items", std::move(items)}};
  if (route.page_size > 0) output["has_more"] = has_more;
  if (!next_cursor.empty()) output["next_cursor"] = next_cursor;
  co_return json::serialize(output);
}

Task run_one(Call& call, const Service& service, const Route& route, Input input, std::string path,
             std::string target) {
  auto response = call.http(request_of(service, route, path + query_of(route, input, 1, 0), input));
  co_await response;
  if (!response) co_return response.failure();
  if (auto failure = refused(service, *response, target)) co_return *failure;
  // What is not looked at need not be JSON.
  const auto answer =
      route.answer == Answer::nothing ? std::optional<json::value>(json::value()) : read_json(response->body);
  const auto output = answer ? output_of(route, *answer, *response) : std::nullopt;
  if (!output) co_return unreadable(service, target);
  co_return json::serialize(*output);
}

Task fail(Failure failure) {
  co_return failure;
}

}  // namespace

Task run(Call& call, const Service& service) {
  const auto route = std::find_if(service.routes.begin(), service.routes.end(),
                                  [&](const Route& known) { return known.operation == call.operation(); });
  if (route == service.routes.end())
    return fail({.code = Code::not_found, .message = "there is no operation " + call.operation()});
  Input input(call.input());
  std::optional<Failure> wrong;
  std::string path = filled(route->path, input, Use::path, wrong);
  std::string target = filled(route->target, input, Use::message, wrong);
  if (input.failure()) return fail(*input.failure());
  if (wrong) return fail(*wrong);
  if (auto failure = missing(route->query, input)) return fail(std::move(*failure));
  if (auto failure = missing(route->body, input)) return fail(std::move(*failure));
  if (route->answer == Answer::list)
    return run_list(call, service, *route, std::move(input), std::move(path), std::move(target));
  return run_one(call, service, *route, std::move(input), std::move(path), std::move(target));
}

}  // namespace rest
