#pragma once
// One request on the wire: a libcurl handle with its buffers, limits and verdict. Used by the broker's thread only.

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/egress/arriving_parts.hpp"
#include "kernel/egress/connection.hpp"
#include "kernel/egress/request.hpp"
#include "kernel/egress/socket_watch.hpp"
#include "kernel/egress/url.hpp"

namespace trv::egress {

/// libcurl's handles, which are used again: making and configuring one costs a tenth of a request. What holds for every
/// request is set once.
class Handles {
 public:
  /// Empty `certificate_file`: the system's. `sockets` outlives the handles and their connections.
  Handles(std::string certificate_file, const std::string& user_agent, SocketWatch& sockets);
  ~Handles();
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;

  /// Null: out of memory.
  [[nodiscard]] CURL* take();
  void give_back(CURL* handle);
  [[nodiscard]] SocketWatch& sockets() const noexcept { return sockets_; }
  [[nodiscard]] const std::string& user_agent_line() const noexcept { return user_agent_line_; }
  /// The header lines of a request that has none of its own; the handles' own.
  [[nodiscard]] curl_slist* plain_lines() const noexcept { return plain_lines_; }

 private:
  const std::string certificate_file_;
  const std::string user_agent_line_;
  curl_slist* plain_lines_;
  SocketWatch& sockets_;
  std::vector<CURL*> idle_;  ///< at most as many as there were requests on the wire at once
};

/// What holds for one transfer, whatever the request says.
struct TransferRules {
  std::uint64_t response_bytes_max = 0;
  std::uint64_t response_header_bytes_max = 0;
  std::uint32_t response_headers_max = 0;
  bool allow_private_network = false;
  Handles* handles = nullptr;  ///< outlive the transfer
};

class Transfer {
 public:
  /// `name` is before every error: the connection and host. `credential` is one whole header line or empty; it is
  /// wiped with the transfer. The request has been checked. `receiver`: nullptr where the answer comes whole. Error:
  /// unavailable (out of memory).
  [[nodiscard]] static base::Result<std::unique_ptr<Transfer>> make(std::string name, Url url, Request request,
                                                                    std::string credential, TransferRules rules,
                                                                    std::shared_ptr<PartReceiver> receiver);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  [[nodiscard]] CURL* handle() const noexcept { return handle_; }
  /// What came of it, once libcurl said `code`; of an answer in parts only whether it is whole. Called once. Errors:
  /// denied, unavailable, timeout, too_large, internal.
  [[nodiscard]] base::Result<Response> finish(CURLcode code);
  [[nodiscard]] std::uint64_t bytes_sent() const noexcept { return request_.body.size() + departed_; }
  /// Of a body that finish() has not given away.
  [[nodiscard]] std::uint64_t bytes_received() const noexcept {
    return parts_ ? parts_->bytes_passed_on() : response_.body.size();
  }
  [[nodiscard]] bool has_head() const noexcept { return parts_ && parts_->has_head(); }
  /// Leave for an answer in parts. True: libcurl waits for it.
  [[nodiscard]] bool take(std::uint64_t byte_count) noexcept { return parts_ && parts_->take(byte_count); }
  /// What curl_easy_pause is to be given: a direction that waits for somebody here goes on waiting.
  [[nodiscard]] bool waits_for_bytes() const noexcept { return waits_for_bytes_; }
  [[nodiscard]] int pauses(bool has_leave, bool has_bytes) noexcept;
  /// Its body comes in parts.
  [[nodiscard]] DepartingBody* departing() const noexcept { return request_.departing.get(); }
  /// Sockets that were opened for it: 0 where a kept-alive one was used.
  [[nodiscard]] std::uint32_t sockets_opened() const noexcept { return sockets_opened_; }

 private:
  friend class Handles;
  enum class Refusal { none, private_address, body_too_large, headers_too_large, header_malformed, status, body };

  Transfer(std::string name, Url url, Request request, TransferRules rules);
  bool set_up(std::string credential);
  bool set_up_method();
  bool set_up_departing();
  bool set_up_mail();
  bool add_header_line(const std::string& line);

  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  static curl_socket_t on_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
  static std::size_t on_departing(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_message(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_reply(char* data, std::size_t size, std::size_t count, void* self);
  static int on_close(void* sockets, curl_socket_t socket);
  static int on_connected(void* self, char* remote, char* local, int remote_port, int local_port);
  bool take_header(std::string_view line);
  bool take_head();
  void end_departing();
  std::size_t take_part(std::string_view bytes);

  std::string name_;
  Url url_;
  Request request_;
  TransferRules rules_;
  CURL* handle_ = nullptr;
  curl_slist* header_lines_ = nullptr;  ///< of a mail: its recipients
  std::size_t message_at_ = 0;          ///< of a mail: bytes of the body that are sent
  Response response_;
  std::optional<ArrivingParts> parts_;
  std::uint64_t departed_ = 0;  ///< bytes of a body in parts
  bool waits_for_leave_ = false;
  bool waits_for_bytes_ = false;
  base::Error body_problem_{base::ErrorCode::invalid, ""};  ///< of Refusal::body
  std::uint64_t header_bytes_ = 0;
  std::uint32_t sockets_opened_ = 0;
  bool is_once_ = false;  ///< the handle is not used again: it remembers what no other request may have
  Refusal refusal_ = Refusal::none;
  char error_text_[CURL_ERROR_SIZE] = {};
};

}  // namespace trv::egress
