#pragma once
// HTTP to one server, over libcurl. One thread at a time. Nothing is retried and no redirect is followed: the token
// goes to the address that was named and nowhere else.
//
// Errors: unavailable (no connection, or it broke; the message names the address and how to start a server), invalid
// (no such address), too_large (an answer over the limit).

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/cli/client/credentials.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::cli {

inline constexpr std::size_t response_bytes_max = std::size_t{64} * 1024 * 1024;

struct HttpRequest {
  std::string method = "GET";
  std::string target = {};  ///< path and query, from the slash
  std::string content_type = {};
  std::string body = {};
  std::vector<std::string> headers = {};  ///< "Name: value"
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string, std::less<>> headers;  ///< names in lower case
  std::string body;

  [[nodiscard]] std::string_view header(std::string_view name) const;
};

/// Whether a text can be the address of a server: http or https, a host, perhaps a port and a path; or unix: and the
/// absolute path of a socket on this machine. Error: invalid, and says why.
[[nodiscard]] base::Status check_url(const std::string& url);

/// Bytes sent of a request so far, called now and then.
using OnUpload = std::function<void(std::size_t sent, std::size_t total)>;

/// The body of one answer while it arrives.
class HttpStream {
 public:
  HttpStream(HttpStream&&) noexcept;
  HttpStream& operator=(HttpStream&&) noexcept;
  ~HttpStream();

  /// What arrived since the last call; waits at most `timeout` for something. Empty text: nothing yet. nullopt: the
  /// server ended it. Error: unavailable.
  [[nodiscard]] base::Result<std::optional<std::string>> read(base::Duration timeout);
  /// Waits for the status line and headers. Of a status other than 2xx the body is read, too. Error: unavailable.
  [[nodiscard]] base::Result<HttpResponse> head(base::Duration timeout);

 private:
  friend class HttpClient;
  struct State;
  explicit HttpStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Who sends a request.
struct Caller {
  std::string token;        ///< empty: none
  std::string tenant = {};  ///< in which the certificate has a token; empty: the token says it
};

class HttpClient {
 public:
  /// `url` as check_url takes it.
  HttpClient(std::string url, Caller caller, TlsFiles tls);
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient();

  [[nodiscard]] const std::string& url() const noexcept { return url_; }
  [[nodiscard]] base::Result<HttpResponse> send(const HttpRequest& request, const OnUpload& on_upload = {});
  [[nodiscard]] base::Result<HttpStream> open(const HttpRequest& request);

 private:
  struct Connection;

  std::string url_;
  Caller caller_;
  TlsFiles tls_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace trv::cli
