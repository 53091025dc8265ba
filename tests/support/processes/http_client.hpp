#pragma once
// The few HTTP requests that tests make.

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::processes {

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  std::chrono::milliseconds timeout{10'000};
  /// Called with what came so far; false ends the request, as its success.
  std::function<bool(std::string_view body)> go_on = {};
};
struct HttpAnswer {
  long status = 0;
  std::string body;
  long retry_after_s = 0;     ///< 0: it says nothing
  std::string position = {};  ///< of a change, as the header Travertine-Position says it
};

/// Keeps its connection open between requests. One thread.
class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Error: unavailable when there was no whole answer: whether the server took the request is not known.
  [[nodiscard]] base::Result<HttpAnswer> send(const HttpRequest& request);

 private:
  void* handle_;
};

}  // namespace trv::processes
