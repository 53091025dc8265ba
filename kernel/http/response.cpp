#include "kernel/http/response.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "kernel/http/target.hpp"
#include "sdk/base/contract.hpp"

namespace trv::http {

using base::ErrorCode;

namespace {

/// Details quote what clients sent; JSON text must be UTF-8 whatever that was.
std::string utf8_or_question_marks(std::string_view text) {
  std::string result(text);
  if (is_utf8(text)) return result;
  for (char& c : result) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return result;
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

Response json(int status, const boost::json::value& value) {
  return json_text(status, boost::json::serialize(value));
}

Response problem(int status, std::string_view code, std::string_view title, std::string_view detail) {
  return problem(status, code, title, detail, {});
}

Response problem(int status, std::string_view code, std::string_view title, std::string_view detail,
                 const boost::json::object& extra) {
  TRV_EXPECTS(status >= 400 && status <= 599);
  boost::json::object document;
  document["type"] = code.empty() ? std::string("about:blank") : fmt::format("urn:travertine:problem:{}", code);
  if (!code.empty()) document["code"] = std::string(code);
  document["status"] = status;
  document["title"] = std::string(title);
  if (!detail.empty()) document["detail"] = utf8_or_question_marks(detail);
  for (const auto& member : extra) {
    // emplace keeps the member that is there; "instance" comes when the response is sent.
    if (member.key() != "instance" && member.key() != "detail") document.emplace(member.key(), member.value());
  }
  Response response;
  response.status = status;
  response.content_type = "application/problem+json";
  response.body = boost::json::serialize(document);
  response.add_instance = true;
  return response;
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

Response problem_of(const base::Error& error, int retry_after_s) {
  TRV_EXPECTS(retry_after_s >= 0);
  const int status = status_of(error.code());
  boost::json::object extra;
  if (error.line() > 0) extra["line"] = error.line();
  if (error.column() > 0) extra["column"] = error.column();
  const std::string_view detail =
      status == 500 ? std::string_view("The server could not do this. Its log says why, under this request's id.")
                    : std::string_view(error.message());
  Response response = problem(status, to_string(error.code()), reason_phrase(status), detail, extra);
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
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 428: return "Precondition Required";
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
