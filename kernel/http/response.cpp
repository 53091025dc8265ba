#include "kernel/http/response.hpp"

#include <fmt/format.h>

#include "kernel/json/serialize.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::http {

using base::ErrorCode;

namespace {

Response problem_of(int status, std::string_view code, std::string_view detail, int line, int column,
                    const json::Value& more = json::Value::object()) {
  TRV_EXPECTS(status >= 400 && status <= 599 && !code.empty());
  json::Value document = {{"type", fmt::format("urn:travertine:problem:{}", code)},
                          {"code", code},
                          {"status", status},
                          {"title", reason_phrase(status)}};
  // Details quote what clients sent; JSON text must be UTF-8 whatever that was.
  if (!detail.empty()) document.set("detail", base::to_valid_utf8(detail));
  if (line > 0) document.set("line", line);
  if (column > 0) document.set("column", column);
  for (const auto& [name, value] : more.entries()) document.set(name.as_string(), value);
  Response response = json_text(status, json::serialize(document));
  response.content_type = "application/problem+json";
  response.add_instance = true;
  return response;
}

}  // namespace

Response Response::with(std::string name, std::string value) && {
  headers.emplace_back(std::move(name), std::move(value));
  return std::move(*this);
}

Response empty(int status) {
  Response response;
  response.status = status;
  return response;
}

Response text(int status, std::string body) {
  Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(body);
  return response;
}

Response json_text(int status, std::string body) {
  Response response;
  response.status = status;
  response.content_type = "application/json";
  response.body = std::move(body);
  return response;
}

Response json(int status, const json::Value& value) {
  return json_text(status, json::serialize(value));
}

Response problem(int status, std::string_view code, std::string_view detail) {
  return problem_of(status, code, detail, 0, 0);
}

int status_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid: return 400;
    case ErrorCode::unauthenticated: return 401;
    case ErrorCode::denied: return 403;
    case ErrorCode::not_found: return 404;
    case ErrorCode::conflict: return 409;
    case ErrorCode::cancelled: return 409;
    case ErrorCode::too_large: return 413;
    case ErrorCode::exhausted: return 429;
    case ErrorCode::unavailable: return 503;
    case ErrorCode::lost: return 503;
    case ErrorCode::timeout: return 504;
    case ErrorCode::corrupt: return 500;
    case ErrorCode::internal: return 500;
  }
  base::contract_failed("invariant", "known ErrorCode", __FILE__, __LINE__);
}

Response problem_with(const base::Error& error, const json::Value& more) {
  const int status = status_of(error.code());
  TRV_EXPECTS(more.is_object() && status < 429);
  return problem_of(status, to_string(error.code()), error.message(), error.line(), error.column(), more);
}

Response problem_of(const base::Error& error, int retry_after_s) {
  TRV_EXPECTS(retry_after_s >= 0);
  const int status = status_of(error.code());
  const std::string_view detail =
      status == 500 ? std::string_view("The server could not do this. Its log says why, under this request's id.")
                    : std::string_view(error.message());
  Response response = problem_of(status, to_string(error.code()), detail, error.line(), error.column());
  if (status == 401) return std::move(response).with("WWW-Authenticate", "Bearer");
  if (status == 429 || status == 503) return std::move(response).with("Retry-After", std::to_string(retry_after_s));
  return response;
}

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

}  // namespace trv::http
