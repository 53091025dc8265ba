#pragma once
// One HTTP request as a handler sees it: complete, bounded and decoded.
//
// The server owns it. It stays unchanged while the handler runs and, after that, as long as the Responder that came
// with it is unanswered, so a handler may keep `responder.request()` for another thread.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/http/target.hpp"
#include "sdk/base/result.hpp"

namespace trv::http {

inline constexpr std::size_t headers_max = 100;

/// In a request of another node: the address of the client that it has the request from.
inline constexpr std::string_view client_address_header = "Travertine-Client";

/// In a request of another node: a name of the certificate that its client has shown; once for each.
inline constexpr std::string_view client_certificate_header = "Travertine-Certificate";

/// Every view that it returns is borrowed from it.
class Request {
 public:
  /// In upper case as received: "GET". Methods are case-sensitive.
  [[nodiscard]] std::string_view method() const noexcept { return method_; }
  [[nodiscard]] const Target& target() const noexcept { return target_; }
  /// As received, still percent-encoded.
  [[nodiscard]] std::string_view path() const noexcept { return target_.path(); }
  /// The pattern of the matched route, fit as a metric label; empty where none matched.
  [[nodiscard]] std::string_view route() const noexcept { return route_; }

  /// The decoded value of `{name}` in the matched pattern. Contract: the pattern has that name.
  [[nodiscard]] std::string_view parameter(std::string_view name) const noexcept;
  /// The first decoded value of that name in the query.
  [[nodiscard]] std::optional<std::string_view> query(std::string_view name) const noexcept {
    return target_.query(name);
  }

  /// The first header of that name, in any case, without surrounding blanks.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const noexcept;
  [[nodiscard]] std::size_t header_count() const noexcept { return headers_.size(); }
  [[nodiscard]] Field header_at(std::size_t index) const noexcept;

  [[nodiscard]] std::string_view body() const noexcept { return body_; }
  /// The client's IP address without port, for example "127.0.0.1"; also where another node sent the request on.
  [[nodiscard]] std::string_view remote_address() const noexcept { return remote_address_; }
  /// Of the certificate that the client has shown and its authority has signed, the best first: "sha256:…", "uri:…",
  /// "dns:…", "email:…", "cn:…".
  [[nodiscard]] const std::vector<std::string>& certificate_names() const noexcept { return certificate_names_; }
  /// Another node sent it, which has proved that it is one. Headers for nodes count in such a request alone.
  [[nodiscard]] bool is_from_node() const noexcept { return is_from_node_; }
  /// The client's X-Request-Id where it is 1 to 64 characters of A-Z a-z 0-9 . _ -, else one of ours. Answers carry it.
  [[nodiscard]] std::string_view id() const noexcept { return id_; }

  /// Where it is within a distributed trace (W3C Trace Context): what ServerOptions::begin_trace said, else its header
  /// `traceparent` as it came.
  [[nodiscard]] std::string_view traceparent() const noexcept {
    return traceparent_.empty() ? header("traceparent").value_or("") : traceparent_;
  }

  // For who builds requests: the server, and tests of handlers.

  /// Forgets everything but the memory and whom it comes from.
  void clear() noexcept;
  void set_method(std::string_view method) { method_ = method; }
  /// Error: invalid, see Target::parse.
  [[nodiscard]] base::Status set_target(std::string_view raw) { return target_.parse(raw); }
  void add_header(std::string_view name, std::string_view value);
  void append_body(std::string_view bytes) { body_.append(bytes); }
  void reserve_body(std::size_t bytes) { body_.reserve(bytes); }
  /// Memory that the body takes.
  [[nodiscard]] std::size_t body_capacity() const noexcept { return body_.capacity(); }
  void set_remote_address(std::string_view address) { remote_address_ = address; }
  void set_certificate_names(std::vector<std::string> names) { certificate_names_ = std::move(names); }
  void set_from_node(bool is_from_node) { is_from_node_ = is_from_node; }
  void set_id(std::string_view id) { id_ = id; }
  void set_traceparent(std::string_view text) { traceparent_ = text; }
  /// `route` and the names of `parameters` must outlive the request.
  void set_route(std::string_view route) { route_ = route; }
  void add_parameter(std::string_view name, std::string_view value);

 private:
  struct HeaderPlace {
    std::uint32_t name_offset;
    std::uint32_t name_size;
    std::uint32_t value_size;  // the value follows the name
  };
  struct Parameter {
    std::string_view name;
    std::string value;
  };

  std::string method_;
  Target target_;
  std::string_view route_;
  std::vector<Parameter> parameters_;
  std::string header_text_;
  std::vector<HeaderPlace> headers_;
  std::string body_;
  std::string remote_address_;
  std::vector<std::string> certificate_names_;
  bool is_from_node_ = false;
  std::string id_;
  std::string traceparent_;
};

}  // namespace trv::http
