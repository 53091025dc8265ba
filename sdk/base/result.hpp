#pragma once
// Failure as a value. Everything that the world can make fail returns Result<T>.

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace trv::base {

/// Few codes; each asks for a different reaction of the caller.
enum class ErrorCode {
  invalid,          ///< the input is wrong; sending it again will not help
  unauthenticated,  ///< who asks is not known, or a signature does not match
  denied,           ///< who asks is known and may not
  not_found,        ///< no such thing, or not in this tenant
  conflict,         ///< contradicts what exists already
  too_large,        ///< over a stated limit of size, depth, time or memory
  exhausted,        ///< a quota or rate is used up; later may succeed
  unavailable,      ///< the world failed (disk, network, peer); later may succeed
  timeout,          ///< a deadline passed
  cancelled,        ///< somebody asked to stop
  lost,             ///< another owner holds the shard; outcome unknown, ask again
  corrupt,          ///< stored bytes are not what was written
  internal,         ///< a defect of ours that did not need to end the process
};

/// The code's name as it is in problem documents and logs, for example "not_found".
[[nodiscard]] std::string_view to_string(ErrorCode code) noexcept;

/// What was wrong, where, and what to do. The message names the offending thing and its value.
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  /// Position in the text that was at fault, from 1; 0 where there is none.
  [[nodiscard]] int line() const noexcept { return line_; }
  [[nodiscard]] int column() const noexcept { return column_; }

  /// The world failed, not the request: the same one may succeed later (exhausted, lost, unavailable).
  [[nodiscard]] bool may_pass() const noexcept {
    return code_ == ErrorCode::exhausted || code_ == ErrorCode::lost || code_ == ErrorCode::unavailable;
  }

  /// Adds where the text was at fault. Returns *this.
  Error at(int line, int column) && noexcept {
    line_ = line;
    column_ = column;
    return std::move(*this);
  }
  /// Puts `context` and ": " before the message. Returns *this.
  Error in(std::string_view context) &&;

  friend bool operator==(const Error&, const Error&) = default;

 private:
  ErrorCode code_;
  std::string message_;
  int line_ = 0;
  int column_ = 0;
};

template <typename T>
using Result = std::expected<T, Error>;

/// The result of what succeeds without a value.
using Status = Result<void>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected<Error>(Error(code, std::move(message)));
}
[[nodiscard]] inline std::unexpected<Error> fail(Error error) {
  return std::unexpected<Error>(std::move(error));
}

}  // namespace trv::base

#define TRV_CONCATENATE_INNER(a, b) a##b
#define TRV_CONCATENATE(a, b) TRV_CONCATENATE_INNER(a, b)
/// Returns the error of `expression` to our caller, or goes on.
#define TRV_TRY(expression)                                                          \
  do {                                                                               \
    if (auto trv_status = (expression); !trv_status) {                               \
      return ::std::unexpected<::trv::base::Error>(::std::move(trv_status).error()); \
    }                                                                                \
  } while (false)
/// Declares `declaration` from the value of `expression`, or returns its error to our caller.
#define TRV_TRY_ASSIGN(declaration, expression)                                                                \
  auto TRV_CONCATENATE(trv_result_, __LINE__) = (expression);                                                  \
  if (!TRV_CONCATENATE(trv_result_, __LINE__)) {                                                               \
    return ::std::unexpected<::trv::base::Error>(::std::move(TRV_CONCATENATE(trv_result_, __LINE__)).error()); \
  }                                                                                                            \
  declaration = *::std::move(TRV_CONCATENATE(trv_result_, __LINE__))
