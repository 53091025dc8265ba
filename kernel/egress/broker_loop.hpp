#pragma once
// The broker's thread: takes requests from a mailbox, keeps the lines, runs libcurl, calls completions. It looks at the
// sockets that have something to read or write and at no others, so a request costs the same whatever else is under
// way.
//
// post(), cancel(), stop() and metrics() from any thread; everything else on the loop's own thread.

#include <curl/curl.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernel/egress/broker.hpp"
#include "kernel/egress/socket_watch.hpp"
#include "kernel/egress/transfer.hpp"

namespace trv::egress {

class Broker::Loop {
 public:
  Loop(BrokerConfiguration configuration, ConnectionSource& connections, SecretSource& secrets,
       const base::Clock& clock);
  ~Loop();

  /// Errors: unavailable (no thread, no memory).
  [[nodiscard]] base::Status start();
  /// `receiver`: nullptr where the answer comes whole.
  /// Something of its body is there.
  void body_came(RequestId id);
  RequestId post(Request request, Completion completion, std::shared_ptr<PartReceiver> receiver);
  void take(RequestId id, std::uint64_t byte_count);
  void cancel(RequestId id);
  void stop();
  void allow_private_network(bool is_allowed) noexcept { allows_private_network_ = is_allowed; }
  [[nodiscard]] BrokerMetrics metrics() const;

 private:
  struct Command {
    enum class Of : std::uint8_t { send, cancel, take, body };
    RequestId id = 0;
    Of of = Of::send;
    base::Duration sent_at{};
    Request request = {};
    Completion completion = {};
    std::shared_ptr<PartReceiver> receiver = {};
    std::uint64_t byte_count = 0;
  };
  /// Requests of one (tenant, connection) or (tenant, origin).
  struct Line {
    std::uint32_t concurrency_max = 1;
    std::uint32_t running = 0;
    std::deque<RequestId> waiting;
  };
  /// A request from its acceptance to its completion.
  struct Pending {
    std::string line;
    std::string name;  ///< precedes its errors
    Url url;
    Request request;
    Completion completion;
    std::shared_ptr<PartReceiver> receiver;  ///< of an answer in parts, until it is launched
    Authentication authentication;
    TransferRules rules;
    std::uint64_t timeout_ms = 0;
    base::Duration deadline{};           ///< of an answer in parts: until its head is there
    std::uint64_t bytes_sent = 0;        ///< when the deadline of a body in parts was set
    bool is_waiting = false;             ///< in line
    std::unique_ptr<Transfer> transfer;  ///< null until it is launched
  };

  void run();
  void take_commands();
  void go_on(RequestId id, std::uint64_t byte_count);
  void go_on_sending(RequestId id);
  void go_on(RequestId id, Transfer& transfer, int pauses);
  void accept(Command command);
  [[nodiscard]] base::Result<Pending> prepare(Request request, bool in_parts);
  /// Where the request goes and with which credentials, by its connection.
  [[nodiscard]] base::Status prepare_connection(Request& request, Pending& pending, ConnectionLimits& limits);
  /// The header line with the request's credentials; empty where it has none, or for digest, whose user and password
  /// are in the request then.
  [[nodiscard]] base::Result<std::string> credential(Pending& pending);
  [[nodiscard]] static base::Status check_permitted(const Pending& pending);
  void launch(RequestId id);
  void collect_finished();
  void expire();
  void wait_and_transfer();
  void transfer(curl_socket_t socket, int events);
  [[nodiscard]] int wait_ms() const;
  static int on_socket(CURL* handle, curl_socket_t socket, int what, void* self, void* known);
  static int on_timer(CURLM* multi, long wait_ms, void* self);
  /// Takes the request out of every table, lets the next of its line go, and calls its completion.
  void conclude(RequestId id, base::Result<Response> result);
  void count(const base::Result<Response>& result);
  void wake();

  const BrokerConfiguration configuration_;
  std::atomic<bool> allows_private_network_;
  ConnectionSource& connections_;
  SecretSource& secrets_;
  const base::Clock& clock_;

  CURLM* multi_ = nullptr;
  bool curl_ready_ = false;
  int poll_ = -1;  ///< of epoll: what libcurl waits for, and `wake_`
  int wake_ = -1;  ///< an eventfd
  std::optional<SocketWatch> sockets_;
  std::optional<Handles> handles_;
  base::Duration curl_due_ = base::Duration::max();  ///< when libcurl wants to be called without an event
  std::unordered_map<RequestId, Pending> pending_;
  std::unordered_map<CURL*, RequestId> ids_;
  std::unordered_map<std::string, Line> lines_;
  std::set<std::pair<base::Duration, RequestId>> deadlines_;
  std::vector<RequestId> startable_;
  std::vector<Command> taken_;  ///< from the mailbox; its memory is the mailbox's next

  std::mutex mailbox_mutex_;
  std::vector<Command> mailbox_;
  bool stopping_ = false;
  RequestId last_id_ = 0;

  std::mutex stop_mutex_;
  std::thread thread_;

  mutable std::mutex metrics_mutex_;
  BrokerMetrics metrics_;
};

}  // namespace trv::egress
