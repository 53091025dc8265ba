#include "tests/support/processes/http_client.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include "sdk/base/contract.hpp"

namespace trv::processes {
namespace {

struct Exchange {
  const HttpRequest& request;
  std::string body = {};
  bool ended_by_us = false;
};

std::size_t take(char* data, std::size_t size, std::size_t count, void* context) {
  Exchange& exchange = *static_cast<Exchange*>(context);
  exchange.body.append(data, size * count);
  exchange.ended_by_us = exchange.request.go_on && !exchange.request.go_on(exchange.body);
  return exchange.ended_by_us ? 0 : size * count;
}

}  // namespace

HttpClient::HttpClient() : handle_(curl_easy_init()) {
  TRV_ASSERT(handle_ != nullptr);
}

HttpClient::~HttpClient() {
  curl_easy_cleanup(handle_);
}

base::Result<HttpAnswer> HttpClient::send(const HttpRequest& request) {
  curl_easy_reset(handle_);
  Exchange exchange{.request = request};
  // Without this libcurl asks the server first whether it may send a large body.
  curl_slist* headers = curl_slist_append(nullptr, "Expect:");
  for (const auto& [name, value] : request.headers) {
    // libcurl's way to send a header without a value.
    headers =
        curl_slist_append(headers, value.empty() ? (name + ";").c_str() : fmt::format("{}: {}", name, value).c_str());
  }
  curl_easy_setopt(handle_, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(handle_, CURLOPT_PROXY, "");
  curl_easy_setopt(handle_, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(handle_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle_, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(handle_, CURLOPT_WRITEFUNCTION, &take);
  curl_easy_setopt(handle_, CURLOPT_WRITEDATA, &exchange);
  if (request.method != "GET" && request.method != "DELETE") {
    curl_easy_setopt(handle_, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(handle_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  }
  const CURLcode code = curl_easy_perform(handle_);
  curl_slist_free_all(headers);
  if (code != CURLE_OK && !exchange.ended_by_us) {
    return base::fail(base::ErrorCode::unavailable,
                      fmt::format("{} {}: {}", request.method, request.url, curl_easy_strerror(code)));
  }
  HttpAnswer answer;
  curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &answer.status);
  answer.body = std::move(exchange.body);
  curl_off_t retry_after_s = 0;
  curl_easy_getinfo(handle_, CURLINFO_RETRY_AFTER, &retry_after_s);
  answer.retry_after_s = static_cast<long>(retry_after_s);
  curl_header* position = nullptr;
  if (curl_easy_header(handle_, "Travertine-Position", 0, CURLH_HEADER, -1, &position) == CURLHE_OK) {
    answer.position = position->value;
  }
  return answer;
}

}  // namespace trv::processes
