#pragma once
// Mail over SMTP (RFC 5321) said as a request: the method MAIL at "/", a header Mail-From, a header Rcpt-To for each
// recipient, and as body the message (RFC 5322, lines end with CR LF). Through a connection with a base URL of smtp://
// or smtps://. Credentials go over TLS only; without credentials TLS is used where the server offers it. The answer's
// status is the server's last reply code, 250 where it took the message, and its body the text of that reply.
//
// Plain values and pure functions; any thread.

#include <string>
#include <string_view>
#include <vector>

#include "kernel/egress/connection.hpp"
#include "kernel/egress/request.hpp"
#include "sdk/base/result.hpp"

namespace trv::egress {

inline constexpr std::string_view mail_method = "MAIL";
inline constexpr std::string_view mail_from = "mail-from";
inline constexpr std::string_view rcpt_to = "rcpt-to";
/// RFC 5321 §4.5.3.1.3, without the angle brackets.
inline constexpr std::size_t mail_address_bytes_max = 254;

/// Who a server answers for, and whom it is to give the message to.
struct Envelope {
  std::string from;
  std::vector<std::string> to;
};

/// Errors: invalid, for what is not a mail, an address that could be read as more than one, no recipient, a message
/// that is empty or whose lines do not end with CR LF.
[[nodiscard]] base::Result<Envelope> envelope_of(const Request& request);

/// Error: invalid. A mail server takes a user and a password, or nothing.
[[nodiscard]] base::Status check_mail(const Request& request, const Authentication& authentication);

}  // namespace trv::egress
