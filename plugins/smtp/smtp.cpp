// Mail over SMTP (RFC 5321). The host speaks to the server; see sdk/abi/ext/http.h for how it is asked.

#include <chrono>
#include <optional>
#include <utility>

#include "plugins/rest/coding.hpp"
#include "plugins/smtp/message.hpp"
#include "sdk/cpp/plugin.hpp"
#include "sdk/cpp/utf8.hpp"
#include "sdk/cpp_json/json.hpp"

namespace smtp {
namespace {

using namespace trv::sdk;

constexpr std::size_t message_bytes_max = 1'000'000;

Failure invalid(const std::string& what) {
  return {.code = Code::invalid, .message = "input: " + what};
}

/// What is wrong, or nothing and one more attachment.
std::optional<Failure> add_attachment(const json::value& from, Message& message) {
  const std::string at = "attachments[" + std::to_string(message.attachments.size()) + "]";
  const json::object* object = from.if_object();
  if (object == nullptr) return invalid(at + ": must be an object");
  Attachment out{.name = std::string(text_of(*object, "name")),
                 .media_type = std::string(text_of(*object, "media_type")),
                 .bytes = std::string(text_of(*object, "text"))};
  if (out.name.empty()) return invalid(at + ".name: must be a text that is not empty");
  if (out.media_type.empty()) out.media_type = "application/octet-stream";
  if (object->contains("base64")) {
    auto bytes = rest::from_base64(text_of(*object, "base64"));
    if (!bytes) return invalid(at + ".base64: is not base64");
    out.bytes = *std::move(bytes);
  }
  message.attachments.push_back(std::move(out));
  return std::nullopt;
}

/// Header fields must stay in their lines, also where no schema has looked at them.
bool has_control(const std::string& text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  return false;
}

std::optional<Failure> check(const Message& message) {
  std::vector<std::string> lines = {message.from, message.from_name, message.reply_to, message.in_reply_to,
                                    message.subject};
  lines.insert(lines.end(), message.to.begin(), message.to.end());
  lines.insert(lines.end(), message.cc.begin(), message.cc.end());
  for (const Attachment& one : message.attachments) {
    lines.push_back(one.name);
    lines.push_back(one.media_type);
  }
  for (const std::string& line : lines) {
    if (has_control(line) || !is_utf8(line)) return invalid("\"" + line.substr(0, 40) + "\" has more than one line");
  }
  if (message.from.find('@') == std::string::npos) return invalid("from: must be an address");
  return std::nullopt;
}

/// Servers say things in other encodings, too.
std::string text_of_reply(const Response& answer) {
  return is_utf8(answer.body) ? answer.body.substr(0, 500) : std::string("(not UTF-8)");
}

/// What a reply of the server means for the call (RFC 5321 §4.2, RFC 4954 §6).
Failure failure_of(const Response& answer) {
  const std::string said = "the mail server said " + std::to_string(answer.status) + " " + text_of_reply(answer);
  const int status = answer.status;
  if (status == 530 || status == 534 || status == 535 || status == 538)
    return {.code = Code::unauthenticated, .message = said, .status = status};
  if (status < 500) return {.code = Code::unavailable, .message = said, .retry = Retry::safe, .status = status};
  if (status == 552) return {.code = Code::too_large, .message = said, .status = status};
  if (status == 550 || status == 551 || status == 553)
    return {.code = Code::not_found, .message = said, .status = status};
  return {.code = Code::denied, .message = said, .status = status};
}

class Smtp : public Plugin {
 public:
  static Operations<Smtp> operations() { return {{"send", &Smtp::send}}; }

 private:
  Task send(Call& call) {
    Input input(call.input());
    Message message{
        .from = input.text("from"),
        .from_name = input.text_or("from_name", ""),
        .to = input.texts("to"),
        .cc = input.texts("cc"),
        .reply_to = input.text_or("reply_to", ""),
        .in_reply_to = input.text_or("in_reply_to", ""),
        .subject = input.text("subject"),
        .text = input.text_or("text", ""),
        .html = input.text_or("html", ""),
        .attachments = {},
        .key = call.idempotency_key(),
        .time_s = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
                      .count()};
    const std::vector<std::string> bcc = input.texts("bcc");
    if (input.failure()) co_return *input.failure();
    const json::value* attachments = input.value("attachments");
    if (attachments != nullptr && !attachments->is_array()) co_return invalid("attachments: must be an array");
    if (attachments != nullptr) {
      for (const json::value& one : attachments->get_array()) {
        if (auto wrong = add_attachment(one, message)) co_return *wrong;
      }
    }
    if (auto wrong = check(message)) co_return *wrong;

    Request mail = request("MAIL", "/");
    mail.header("Mail-From", message.from);
    std::int64_t recipients = 0;
    for (const std::vector<std::string>* some : {&std::as_const(message.to), &std::as_const(message.cc), &bcc}) {
      for (const std::string& address : *some) {
        mail.header("Rcpt-To", address);
        ++recipients;
      }
    }
    if (recipients == 0) co_return invalid("to, cc and bcc name nobody");
    std::string bytes = to_bytes(message);
    if (bytes.size() > message_bytes_max) {
      co_return Failure{.code = Code::too_large,
                        .message = "the mail has " + std::to_string(bytes.size()) +
                                   " bytes with its attachments; at most 1,000,000 are sent"};
    }
    mail.body(std::move(bytes));
    auto sent = call.http(mail);
    co_await sent;
    if (!sent) co_return sent.failure();
    if (sent->status >= 400) co_return failure_of(*sent);
    const json::object out = {
        {"message_id", message_id(message)}, {"recipients", recipients}, {"reply", text_of_reply(*sent)}};
    co_return serialize(out);
  }
};

}  // namespace
}  // namespace smtp

TRV_PLUGIN(smtp::Smtp, "smtp", "1.0.0")
