#pragma once
// A server on a free port for tests, with a log that can be read.

#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "kernel/http/server.hpp"

namespace trv::http {

class RunningServer {
 public:
  explicit RunningServer(Router router, ServerOptions options = {})
      : log_(std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_text_))),
        server_(std::move(options), std::move(router), clock_, random_, log_) {
    const base::Status started = server_.start();
    EXPECT_TRUE(started) << started.error().message();
  }

  [[nodiscard]] std::uint16_t port() const { return server_.port(); }
  [[nodiscard]] Server& server() { return server_; }
  /// What was logged; stops the server first.
  std::string log_text() {
    server_.stop(std::chrono::seconds(5));
    return log_text_.str();
  }

 private:
  base::SystemClock clock_;
  base::SystemRandom random_;
  std::ostringstream log_text_;
  std::shared_ptr<spdlog::logger> log_;
  Server server_;
};

}  // namespace trv::http
