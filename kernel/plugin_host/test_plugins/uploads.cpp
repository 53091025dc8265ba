// A plugin that writes and reads the bodies of requests in parts. Written with the C++ layer. Its operations take
// {"bytes":N} and send that many of the alphabet's first 23 letters over and over:
//   known    with their number as the length
//   chunks   without a length
//   short    with a length that is larger by one
//   never    nothing, and does not end
//   parts    as chunks, and reads the answer in parts
// It serves /pass: the body goes on to the service, whose answer goes back, both in parts; /count: says what the body
// was; /first: answers after the first part; /ignore: answers without reading; /never: reads nothing, and waits; /slow:
// reads a part each 100 ms.

#include <charconv>
#include <string>
#include <string_view>

#include "sdk/cpp/plugin.hpp"

#ifndef PLUGIN_VERSION
#define PLUGIN_VERSION "1.2.3"
#endif

namespace {

using namespace trv::sdk;

std::string letters(std::uint64_t from, std::uint64_t count) {
  std::string text(count, ' ');
  for (std::uint64_t at = 0; at < count; ++at) text[at] = static_cast<char>('a' + (from + at) % 23);
  return text;
}

std::string outcome_of(const Response& answer, std::uint64_t written) {
  return R"({"status":)" + std::to_string(answer.status) + R"(,"body":")" + answer.body + R"(","written":)" +
         std::to_string(written) + "}";
}

class Uploads : public Plugin {
 public:
  static Operations<Uploads> operations() {
    return {{"known", &Uploads::send},
            {"chunks", &Uploads::send},
            {"short", &Uploads::send},
            {"never", &Uploads::send},
            {"parts", &Uploads::send_for_parts}};
  }

  Task send(Call& call) {
    const std::uint64_t bytes = bytes_of(call);
    const std::string& name = call.operation();
    std::optional<std::uint64_t> length;
    if (name == "known") length = bytes;
    if (name == "short") length = bytes + 1;
    auto upload = call.upload(put("/things"), length);
    std::uint64_t written = 0;
    while (written < bytes) {
      const std::uint64_t size = std::min<std::uint64_t>(bytes - written, 100'000);
      auto part = upload.write(letters(written, size));
      co_await part;
      if (!part) break;
      written += size;
    }
    if (name != "never") upload.end();
    co_await upload;
    if (!upload) co_return upload.failure();
    co_return outcome_of(*upload, written);
  }

  Task send_for_parts(Call& call) {
    auto upload = call.upload_in_parts(put("/things"));
    auto part = upload.write(letters(0, bytes_of(call)));
    co_await part;
    upload.end();
    co_await upload;
    if (!upload) co_return upload.failure();
    Response answer = *upload;
    for (;;) {
      auto more = upload.next();
      co_await more;
      if (!more) co_return more.failure();
      if (more->is_last()) break;
      answer.body += more->bytes;
    }
    co_return outcome_of(answer, bytes_of(call));
  }

  Task serve(Call& call) { return call.request().path == "/pass" ? pass(call) : look(call); }

  Task pass(Call& call) {
    auto upload = call.upload_in_parts(post("/things").connection("api"));
    auto body = call.read_body();
    for (;;) {
      auto part = body.next();
      co_await part;
      if (!part) co_return part.failure();
      if (part->is_last()) break;
      auto written = upload.write(part->bytes);
      co_await written;
      if (!written) break;
    }
    upload.end();
    co_await upload;
    if (!upload) co_return upload.failure();
    auto out = call.respond_in_parts({.status = upload->status});
    for (;;) {
      auto part = upload.next();
      co_await part;
      if (!part) co_return part.failure();
      if (part->is_last()) co_return out.end();
      auto written = out.write(part->bytes);
      co_await written;
      if (!written) co_return written.failure();
    }
  }

  Task look(Call& call) {
    const std::string& path = call.request().path;
    if (path == "/ignore") co_return text_response(200, "not read");
    if (path == "/never") {
      auto pause = call.wait(std::chrono::hours(1));
      co_await pause;
    }
    std::uint64_t count = 0;
    bool is_as_sent = true;
    auto body = call.read_body();
    for (;;) {
      if (path == "/slow") {
        auto pause = call.wait(std::chrono::milliseconds(100));
        co_await pause;
      }
      auto part = body.next();
      co_await part;
      if (!part) {
        call.log(Level::warning, "the body broke: " + part.failure().message);
        co_return part.failure();
      }
      if (part->is_last()) break;
      is_as_sent = is_as_sent && part->bytes == letters(count, part->bytes.size());
      count += part->bytes.size();
      if (path == "/first") co_return text_response(413, "enough");
    }
    co_return text_response(200, std::to_string(count) + (is_as_sent ? " as sent" : " otherwise"));
  }

 private:
  static std::uint64_t bytes_of(const Call& call) {
    const std::string_view text = call.input();
    std::uint64_t bytes = 0;
    const std::size_t at = text.find(':') + 1;
    std::from_chars(text.data() + at, text.data() + text.size(), bytes);
    return bytes;
  }
};

}  // namespace

TRV_PLUGIN(Uploads, "tracker", PLUGIN_VERSION)
