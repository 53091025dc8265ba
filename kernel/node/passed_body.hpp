#pragma once
// The body of a client's request on its way to another node, part by part.

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "kernel/http/request_body.hpp"
#include "sdk/base/result.hpp"

namespace trv::node {

/// Filled by the client's connection, emptied by the thread that sends; no function blocks.
class PassedBody {
 public:
  /// `body`: nullptr where the request has none in parts.
  explicit PassedBody(std::shared_ptr<http::RequestBody> body) : body_(std::move(body)) {}
  ~PassedBody();
  PassedBody(const PassedBody&) = delete;
  PassedBody& operator=(const PassedBody&) = delete;

  [[nodiscard]] bool is_there() const noexcept { return body_ != nullptr; }
  /// From now on it comes. `more` is called, on a server thread, where something to take has come; must not call back.
  void begin(std::function<void()> more);
  /// No function is called for more.
  void pause();
  /// Something of it was taken: it cannot be sent again.
  [[nodiscard]] bool has_begun() const noexcept { return has_begun_; }
  /// How many bytes were put into `to`, of which 0 is the end; nullopt: none are there now. Errors: those of
  /// RequestBody.
  [[nodiscard]] base::Result<std::optional<std::size_t>> take(char* to, std::size_t bytes_max);

 private:
  struct Arriving {
    std::mutex mutex;
    std::string waiting;
    std::optional<base::Status> end;
    std::function<void()> more;
  };

  const std::shared_ptr<http::RequestBody> body_;
  const std::shared_ptr<Arriving> arriving_ = std::make_shared<Arriving>();
  bool is_read_ = false;
  bool has_begun_ = false;
};

}  // namespace trv::node
