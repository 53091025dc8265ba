#pragma once
// Bytes to Request (RFC 9112), incrementally. Hostile input; the syntax is Boost.Beast's, the rules on top are ours:
// everything that two parsers could read in two ways is refused.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "kernel/http/request.hpp"

namespace trv::http {

/// What to answer to bytes that are not a request. The connection cannot go on after it.
struct ParseFailure {
  int status = 400;
  std::string code;
  std::string detail;
};

/// For one request at a time: start(), parse() to head_done, set_body_bytes_max(), parse() to done. One thread.
class RequestParser {
 public:
  enum class Outcome { need_more, head_done, done, failed };

  explicit RequestParser(std::size_t header_bytes_max);
  ~RequestParser();

  /// Begins with `request`, which must be clear and stay until done.
  void start(Request& request);
  /// Reads from the front of `input` and sets `consumed`; what is not consumed must come again, with more behind it.
  /// A request without body goes from head_done to done at the next call, also with empty input.
  [[nodiscard]] Outcome parse(std::string_view input, std::size_t& consumed);
  /// Why parse() failed.
  [[nodiscard]] const ParseFailure& failure() const noexcept;

  // After head_done:
  /// False: the announced length is larger, and failure() says so.
  [[nodiscard]] bool set_body_bytes_max(std::size_t bytes_max);
  /// From now on the body is appended to `body`, which stays until done, and not to the request.
  void put_body_into(std::string& body) noexcept;
  [[nodiscard]] bool has_body() const noexcept;
  [[nodiscard]] bool keep_alive() const noexcept;
  [[nodiscard]] bool is_http_1_0() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trv::http
