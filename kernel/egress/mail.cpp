#include "kernel/egress/mail.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sdk/base/field_text.hpp"

namespace trv::egress {
namespace {

using base::ErrorCode;

/// One address and nothing else, for every reader: printable ASCII, one '@' with text on both sides.
bool is_address(std::string_view text) {
  if (text.empty() || text.size() > mail_address_bytes_max) return false;
  static constexpr std::string_view never = "<>()[]:;,\\\"";
  const bool is_plain = std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte < 0x7f && !never.contains(c);
  });
  const std::size_t at = text.find('@');
  return is_plain && at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
         text.find('@', at + 1) == text.npos;
}

bool has_whole_lines(std::string_view message) {
  for (std::size_t i = 0; i < message.size(); ++i) {
    if (message[i] == '\r' && (i + 1 == message.size() || message[i + 1] != '\n')) return false;
    if (message[i] == '\n' && (i == 0 || message[i - 1] != '\r')) return false;
  }
  return message.ends_with("\r\n");
}

}  // namespace

base::Result<Envelope> envelope_of(const Request& request) {
  if (request.method != mail_method || request.path != "/") {
    return base::fail(ErrorCode::invalid, "the connection is for mail: the method MAIL at \"/\" sends one");
  }
  Envelope envelope;
  for (const Header& header : request.headers) {
    const bool is_from = base::equal_ignoring_case(header.name, mail_from);
    if (!is_from && !base::equal_ignoring_case(header.name, rcpt_to)) {
      return base::fail(ErrorCode::invalid,
                        fmt::format("a mail has the headers Mail-From and Rcpt-To, not '{}'; what the recipient is to "
                                    "see is in the message",
                                    header.name));
    }
    if (!is_address(header.value)) {
      return base::fail(ErrorCode::invalid, fmt::format("'{}' of {} is not an address of a mailbox",
                                                        header.value.substr(0, 100), header.name));
    }
    if (is_from && !envelope.from.empty()) return base::fail(ErrorCode::invalid, "a mail has one Mail-From");
    if (is_from) envelope.from = header.value;
    if (!is_from) envelope.to.push_back(header.value);
  }
  if (envelope.from.empty() || envelope.to.empty()) {
    return base::fail(ErrorCode::invalid, "a mail needs a header Mail-From and at least one Rcpt-To");
  }
  if (!has_whole_lines(request.body)) {
    return base::fail(ErrorCode::invalid, "the lines of the message do not all end with CR LF");
  }
  return envelope;
}

base::Status check_mail(const Request& request, const Authentication& authentication) {
  if (const auto envelope = envelope_of(request); !envelope) return base::fail(envelope.error());
  using Scheme = AuthenticationScheme;
  if (authentication.scheme == Scheme::none || authentication.scheme == Scheme::basic) return {};
  return base::fail(ErrorCode::invalid,
                    "a mail server takes a user and a password: set the connection with auth basic");
}

}  // namespace trv::egress
