#include "plugins/smtp/message.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "plugins/rest/coding.hpp"

namespace smtp {
namespace {

constexpr std::string_view end_of_line = "\r\n";
constexpr std::size_t line_max = 76;
constexpr std::size_t word_bytes_max = 45;  // of an encoded word, before it is encoded

bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

/// FNV-1a; not for secrets.
std::string digest_of(std::string_view text) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (std::uint64_t seed : {std::uint64_t{0xcbf29ce484222325}, std::uint64_t{0x9ae16a3b2f90404f}}) {
    for (const char c : text) seed = (seed ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
    for (int shift = 60; shift >= 0; shift -= 4) out += digits[seed >> shift & 15];
  }
  return out;
}

/// Words of RFC 2047, each whole characters of UTF-8, on lines of their own.
std::string encoded_words(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::size_t size = std::min(text.size(), word_bytes_max);
    while (size > 1 && size < text.size() && (static_cast<std::uint8_t>(text[size]) & 0xc0U) == 0x80) --size;
    out += (out.empty() ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?") + rest::to_base64(text.substr(0, size)) + "?=";
    text.remove_prefix(size);
  }
  return out;
}

/// What a person reads in a header.
std::string header_text(std::string_view text) {
  return is_plain(text) && text.size() <= 60 && !text.starts_with("=?") ? std::string(text) : encoded_words(text);
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string mailbox(std::string_view name, std::string_view address) {
  if (name.empty()) return std::string(address);
  const bool fits = is_plain(name) && name.size() <= 60;
  return (fits ? quoted(name) : encoded_words(name)) + "\r\n <" + std::string(address) + ">";
}

std::string list(const std::vector<std::string>& addresses) {
  std::string out;
  for (const std::string& address : addresses) out += (out.empty() ? "" : ",\r\n ") + address;
  return out;
}

/// RFC 5322 §3.3, in UTC.
std::string date_of(std::int64_t time_s) {
  static constexpr std::array<std::string_view, 7> days = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
  static constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  constexpr std::int64_t day_s = 24 * 3'600;
  const std::int64_t day = std::max<std::int64_t>(time_s, 0) / day_s;
  const std::int64_t second = std::max<std::int64_t>(time_s, 0) % day_s;
  // Civil date from days, with the year beginning in March.
  const std::int64_t shifted = day + 719'468;
  const std::int64_t era = shifted / 146'097;
  const std::int64_t of_era = shifted % 146'097;
  const std::int64_t year_of_era = (of_era - of_era / 1'460 + of_era / 36'524 - of_era / 146'096) / 365;
  const std::int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t march_month = (5 * of_year + 2) / 153;
  const std::int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  const auto two = [](std::int64_t value) { return (value < 10 ? "0" : "") + std::to_string(value); };
  return std::string(days[static_cast<std::size_t>(day % 7)]) + ", " +
         std::to_string(of_year - (153 * march_month + 2) / 5 + 1) + ' ' +
         std::string(months[static_cast<std::size_t>(month - 1)]) + ' ' + std::to_string(year) + ' ' +
         two(second / 3'600) + ':' + two(second / 60 % 60) + ':' + two(second % 60) + " +0000";
}

std::string base64_lines(std::string_view bytes) {
  const std::string whole = rest::to_base64(bytes);
  std::string out;
  for (std::size_t at = 0; at < whole.size(); at += line_max)
    out += whole.substr(at, line_max) + std::string(end_of_line);
  return out;
}

/// Lines of a text end with CR LF, whatever they ended with.
std::string canonical(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_pair = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if (is_pair) ++i;
    if (text[i] == '\n' || text[i] == '\r') {
      out += end_of_line;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string text_part(std::string_view type, std::string_view text) {
  return "Content-Type: " + std::string(type) + "; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
         base64_lines(canonical(text));
}

/// RFC 2231 where the name is not plain.
std::string file_name(std::string_view name) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  if (is_plain(name) && name.size() <= 60) return "filename=" + quoted(name);
  std::string out = "filename*=UTF-8''";
  for (const char c : name) {
    const auto byte = static_cast<std::uint8_t>(c);
    const bool stays =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '-';
    if (stays) {
      out += c;
    } else {
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out;
}

std::string attachment_part(const Attachment& attachment) {
  return "Content-Type: " + attachment.media_type + "\r\nContent-Disposition: attachment;\r\n " +
         file_name(attachment.name) + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64_lines(attachment.bytes);
}

/// The boundary cannot be in a part: base64 has no underscore.
std::string parts(std::string_view kind, const std::string& boundary, const std::vector<std::string>& all) {
  if (all.size() == 1) return all.front();
  std::string out = "Content-Type: multipart/" + std::string(kind) + ";\r\n boundary=\"" + boundary + "\"\r\n\r\n";
  for (const std::string& part : all) out.append("--").append(boundary).append(end_of_line).append(part);
  return out + "--" + boundary + "--\r\n";
}

}  // namespace

std::string message_id(const Message& message) {
  return '<' + digest_of(message.key) + message.from.substr(message.from.rfind('@')) + '>';
}

std::string to_bytes(const Message& message) {
  std::string out = "Date: " + date_of(message.time_s) + "\r\nFrom: " + mailbox(message.from_name, message.from) +
                    "\r\nMessage-ID: " + message_id(message) + "\r\n";
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) out += std::string(name) + ": " + value + std::string(end_of_line);
  };
  add("To", list(message.to));
  add("Cc", list(message.cc));
  if (message.to.empty() && message.cc.empty()) add("To", "undisclosed-recipients:;");
  add("Reply-To", message.reply_to);
  add("In-Reply-To", message.in_reply_to);
  add("References", message.in_reply_to);
  add("Subject", header_text(message.subject));
  out += "MIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n";

  const std::string boundary = "=_" + digest_of(message.key + "/boundary");
  std::vector<std::string> texts;
  if (!message.text.empty() || message.html.empty()) texts.push_back(text_part("text/plain", message.text));
  if (!message.html.empty()) texts.push_back(text_part("text/html", message.html));
  std::vector<std::string> all = {parts("alternative", boundary + "_a", texts)};
  for (const Attachment& attachment : message.attachments) all.push_back(attachment_part(attachment));
  return out + parts("mixed", boundary + "_m", all);
}

}  // namespace smtp
