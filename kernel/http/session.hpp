#pragma once
// One connection's protocol, without its socket: bytes in, handlers called, bytes out.
//
// A session belongs to one thread, its loop's; only the functions of Exchange and Waker may be called from others. Who
// owns the socket puts bytes in (input, input_arrived), calls advance() and sends output() until there is nothing to
// do.

#include <spdlog/fwd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/http/request.hpp"
#include "kernel/http/request_parser.hpp"
#include "kernel/http/responder.hpp"
#include "kernel/http/router.hpp"
#include "kernel/http/server.hpp"
#include "kernel/http/stream_queue.hpp"
#include "kernel/http/workers.hpp"

namespace trv::http {

/// What the sessions of one loop share; used on that loop's thread, except `log`. Outlives them.
struct SessionEnvironment {
  std::shared_ptr<std::atomic<std::size_t>> large_body_bytes;  ///< taken by the server's large bodies now
  std::shared_ptr<const Router> router;  // requests borrow pattern names, and may outlive the server in a responder
  std::shared_ptr<const ServerOptions> options;
  std::shared_ptr<std::atomic<bool>> is_open;
  Workers& workers;  ///< used only while the loop runs
  const base::Clock& clock;
  std::shared_ptr<spdlog::logger> log;
  std::uint64_t id_prefix = 0;  ///< random, so that request ids of two runs differ
  std::uint64_t id_count = 0;
  base::Duration now{0};  ///< monotonic; refreshed by the loop
  std::string date;       ///< of the Date header; refreshed by the loop
};

/// Shared between its loop and the responders of its requests.
class Session : public Exchange, public Waker, public std::enable_shared_from_this<Session> {
 public:
  Session(SessionEnvironment& environment, std::string_view remote_address);
  ~Session() override;

  /// Before any bytes are put in.
  void set_certificate_names(std::vector<std::string> names) { request_.set_certificate_names(std::move(names)); }

  /// Room for bytes from the peer; never empty.
  [[nodiscard]] std::span<char> input();
  void input_arrived(std::size_t size);
  /// The peer sends nothing more.
  void input_ended();
  /// More bytes would be of use now; also while streaming, to see the peer go.
  [[nodiscard]] bool wants_input() const noexcept;

  /// Does what can be done now. True: call again when output() is sent.
  [[nodiscard]] bool advance();

  [[nodiscard]] std::string_view output() const noexcept { return std::string_view(output_).substr(output_begin_); }
  void output_sent(std::size_t size);

  /// Close the connection when output() is sent.
  [[nodiscard]] bool finished() const noexcept { return phase_ == Phase::closing; }
  /// The peer may still be sending: closing at once could destroy the answer on its way.
  [[nodiscard]] bool has_unread_input() const noexcept { return unread_; }
  /// The peer takes no output for too long: close at once.
  [[nodiscard]] bool stuck() const noexcept { return stuck_; }
  /// What was sent is not whole, and a plain end of the connection would say that it is: reset it.
  [[nodiscard]] bool must_reset() const noexcept;

  /// Looks at the time-outs; then call advance().
  void tick();
  /// The server stops: close when what is in flight is done; then call advance().
  void drain();
  /// The connection is gone. Nothing is sent any more.
  void abandon();

  // Exchange: any thread.
  [[nodiscard]] const Request& request() const noexcept override { return request_; }
  void when_gone(std::move_only_function<void()> tell) override;
  [[nodiscard]] std::shared_ptr<RequestBody> body() noexcept override { return body_; }
  void answer(Response response) override;
  [[nodiscard]] std::shared_ptr<StreamQueue> open_stream(Response head) override;
  [[nodiscard]] std::shared_ptr<StreamQueue> open_parts(Response head) override;
  void drop() noexcept override;
  void log_failure(const base::Error& error) noexcept override;

 private:
  enum class Phase { idle, head, body, handling, streaming, closing };

  [[nodiscard]] bool read_head();
  [[nodiscard]] bool read_body();
  void begin_body();
  [[nodiscard]] bool pump_body();
  [[nodiscard]] bool parse_body();
  void break_body(int status, std::string_view code, const base::Error& error);
  void end_body(base::Status status);
  bool is_body_late();
  [[nodiscard]] bool reads_body() const noexcept { return body_ != nullptr && !body_is_over_; }
  [[nodiscard]] bool claim_body_memory();
  void release_body_memory() noexcept;
  void head_complete();
  void dispatch();
  void call_handler() noexcept;
  [[nodiscard]] bool take_answer();
  void tell_gone();
  [[nodiscard]] std::shared_ptr<StreamQueue> open(Response head, std::shared_ptr<StreamQueue> queue);
  [[nodiscard]] bool is_of_parts() const noexcept { return stream_->of() == StreamQueue::Of::parts; }
  void end_stream();
  [[nodiscard]] bool pump_stream();
  void refuse(int status, std::string_view code, std::string_view detail);
  void choose_id();
  void complain(std::string_view message) const;
  void begin_next();
  void write_answer(Response& response);
  void write_head(const Response& response, std::string_view framing);
  void write_chunk(std::string_view bytes);
  void consume(std::size_t size) noexcept;
  [[nodiscard]] std::string_view unparsed() const noexcept {
    return std::string_view(input_.data() + input_begin_, input_end_ - input_begin_);
  }

  SessionEnvironment& environment_;
  const std::string peer_;  ///< its address; requests may come from elsewhere through it
  const std::shared_ptr<std::atomic<std::size_t>> large_body_bytes_;  // the environment may end before the session does
  Phase phase_ = Phase::idle;
  RequestParser parser_;
  Request request_;
  Router::Match match_;
  std::optional<Response> early_answer_;  ///< known before the body was read: sent instead of calling a handler

  std::vector<char> input_;
  std::size_t input_begin_ = 0;
  std::size_t input_end_ = 0;
  bool input_is_over_ = false;
  bool input_is_lent_ = false;  ///< a read may put bytes into it at any time
  int empty_lines_ = 0;         ///< read over before the request that is awaited
  std::string output_;
  std::size_t output_begin_ = 0;

  std::shared_ptr<RequestBody> body_;  ///< that its handler reads in parts
  std::string body_bytes_;             ///< of it: came, and wait for leave
  std::size_t body_begin_ = 0;         ///< of what waits
  bool body_is_parsed_ = false;        ///< to its end
  bool body_is_over_ = false;
  bool body_has_leave_ = false;        ///< the client is to send: time runs
  bool body_awaits_continue_ = false;  ///< the client sends nothing before it is asked to
  base::Duration body_moved_{0};

  std::size_t claimed_bytes_ = 0;  ///< of large_body_bytes_

  bool keep_alive_ = true;
  bool draining_ = false;
  bool unread_ = false;
  bool stuck_ = false;
  bool is_cut_ = false;  ///< a body in parts is not whole
  base::Duration phase_began_{0};
  base::Duration request_began_{0};
  base::Duration output_moved_{0};

  std::shared_ptr<StreamQueue> stream_;
  bool stream_ended_ = false;
  bool is_event_stream_ = false;  ///< parts, which a client asks for again where they end

  std::mutex mutex_;  // guards what follows: handed over by the responder
  std::optional<Response> answer_;
  std::shared_ptr<StreamQueue> opened_stream_;
  bool abandoned_ = false;
  std::move_only_function<void()> gone_;  ///< to be called where the client goes

  std::atomic<bool> watches_client_ = false;  ///< while a handler works, too
};

/// True where the head of `response` can be sent as it is; see Response.
[[nodiscard]] bool is_sendable(const Response& response) noexcept;

}  // namespace trv::http
