// A frame that was cut or changed on its way is refused, or is a frame that is as well formed: nothing outside of it is
// read.

#include "kernel/plugin_host/frame.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "kernel/plugin_host/payload.hpp"

namespace trv::plugin_host {
namespace {

/// Memory of exactly this size, so that a sanitizer sees each byte that is read behind it.
struct Exact {
  explicit Exact(base::BytesView from, std::size_t size_now)
      : bytes(std::make_unique<std::uint8_t[]>(size_now)), size(size_now) {
    std::copy_n(from.data(), size, bytes.get());
  }
  [[nodiscard]] base::BytesView view() const { return {bytes.get(), size}; }
  std::unique_ptr<std::uint8_t[]> bytes;
  std::size_t size;
};

std::vector<base::Bytes> one_of_each() {
  FrameWriter writer;
  egress::Request request;
  request.connection = "api";
  request.method = "POST";
  request.path = "/issues";
  request.headers = {{"accept", "text/plain"}, {"x", ""}};
  request.body = "body";
  request.in_parts = true;
  std::vector<base::Bytes> all;
  const auto add = [&](base::BytesView frame) { all.emplace_back(frame.begin(), frame.end()); };
  add(writer.ready("all walls", true));
  add(writer.measure({.name = "a", .value = 1, .labels = {{"b", "c"}}}));
  add(writer.progress(7, 0.5, "half"));
  add(writer.begin_span(7, {.id = 2, .parent = 1, .name = "part", .attributes = {{"b", "c"}}}));
  add(writer.end_span(7, 2));
  add(writer.stream(7, "word by "));
  add(writer.saved("\x01bytes"));
  add(writer.saved(base::fail(base::ErrorCode::internal, "why there is none")));
  add(writer.refused({base::ErrorCode::invalid, "why"}));
  add(writer.answer(7, R"({"a":1})"));
  add(writer.failed(7, {.code = base::ErrorCode::denied, .status = 403, .message = "no", .detail = "{}"}));
  add(writer.log(LogLevel::info, 7, "line"));
  add(writer.http_request(7, 1, request));
  request.written = egress::WrittenBody{.stream_id = 9, .length = 12};
  add(writer.http_request(7, 1, request));
  add(writer.read_body(7, 9));
  add(writer.http_request(7, 1, base::fail(base::ErrorCode::invalid, "unreadable")));
  add(writer.ask(7, 1, Service::store, PutValue{.key = "cursor", .value = "[1]", .expected = 3}));
  add(writer.ask(7, 1, Service::store, ListValues{.prefix = "a", .after = "ab", .count_max = 10}));
  add(writer.ask(7, 1, Service::secret, SignData{.secret = "vault", .data = "bytes"}));
  add(writer.ask(7, 1, Service::event, EmitEvent{.type = "com.tracker.made", .subject = {}, .data = "[1]"}));
  add(writer.ask(7, 1, Service::store, base::fail(base::ErrorCode::invalid, "unreadable")));
  add(writer.respond(7, {.status = 201, .headers = {{"etag", "1"}, {"content-type", ""}}, .body = "body"}));
  add(writer.respond_in_parts(7, 9, {.status = 200, .headers = {{"etag", "1"}}, .body = "first"}));
  add(writer.write(7, 9, "next"));
  add(writer.end_stream(7, 9));
  add(writer.take(7, 9, 65'536));
  add(writer.drop(7, 9));
  add(writer.part(9, "next"));
  add(writer.stream_ended(9, {}));
  add(writer.stream_ended(9, base::fail(base::ErrorCode::unavailable, "it broke")));
  add(writer.room(9, 65'536));
  add(writer.pong(3));
  return all;
}

/// Everything that the kernel reads of a frame.
void read_all(const frames::Frame& frame) {
  std::size_t bytes = 0;
  switch (frame.body_type()) {
    case frames::Body::Ready: bytes = view(frame.body_as_Ready()->walls()).size(); break;
    case frames::Body::Refused: bytes = read_refused(*frame.body_as_Refused()).message().size(); break;
    case frames::Body::Answer: bytes = std::string(view(frame.body_as_Answer()->output())).size(); break;
    case frames::Body::Failed: bytes = read_failed(*frame.body_as_Failed()).message.size(); break;
    case frames::Body::Log: bytes = std::string(view(frame.body_as_Log()->message())).size(); break;
    case frames::Body::HttpRequest: {
      const auto request = read_http_request(*frame.body_as_HttpRequest());
      bytes = request ? request->body.size() : request.error().message().size();
      break;
    }
    case frames::Body::SignRequest: {
      const auto request = read_sign_request(*frame.body_as_SignRequest());
      bytes = request ? std::get<SignData>(*request).data.size() : request.error().message().size();
      break;
    }
    case frames::Body::EmitRequest: bytes = read_emit_request(*frame.body_as_EmitRequest()).data.size(); break;
    case frames::Body::Respond: {
      auto response = read_respond(*frame.body_as_Respond());
      bytes = response && check_response(*response) ? response->body.size() : 0;
      break;
    }
    case frames::Body::RespondInParts: {
      auto head = read_respond_in_parts(*frame.body_as_RespondInParts());
      bytes = head && check_response(*head) ? head->body.size() : 0;
      break;
    }
    case frames::Body::Write: bytes = std::string(view(frame.body_as_Write()->bytes())).size(); break;
    case frames::Body::Part: bytes = std::string(view(frame.body_as_Part()->bytes())).size(); break;
    case frames::Body::StreamEnded: {
      const base::Status end = read_stream_ended(*frame.body_as_StreamEnded());
      bytes = end ? 0 : end.error().message().size();
      break;
    }
    case frames::Body::Measure: {
      const auto measurement = read_measure(*frame.body_as_Measure());
      bytes = measurement ? measurement->name.size() : measurement.error().message().size();
      break;
    }
    case frames::Body::Progress: bytes = std::string(view(frame.body_as_Progress()->text())).size(); break;
    case frames::Body::BeginSpan: {
      const Span span = read_span(*frame.body_as_BeginSpan());
      bytes = span.name.size() + span.attributes.size();
      break;
    }
    case frames::Body::Stream: bytes = std::string(view(frame.body_as_Stream()->text())).size(); break;
    case frames::Body::Saved: {
      const auto state = read_saved(*frame.body_as_Saved());
      bytes = state ? state->size() : state.error().message().size();
      break;
    }
    case frames::Body::RequestFailed:
      bytes = read_request_failed(*frame.body_as_RequestFailed()).message().size();
      break;
    case frames::Body::StoreRequest: {
      const auto request = read_store_request(*frame.body_as_StoreRequest());
      bytes = request ? request->index() : request.error().message().size();
      break;
    }
    default: break;
  }
  EXPECT_LT(bytes, 1'000U);
}

TEST(FrameTest, a_frame_that_was_cut_is_refused_or_whole) {
  for (const base::Bytes& frame : one_of_each()) {
    ASSERT_TRUE(read_frame(Exact(frame, frame.size()).view()));
    for (std::size_t size = 0; size < frame.size(); ++size) {
      const Exact cut(frame, size);
      // What was cut may be filling alone.
      if (const auto read = read_frame(cut.view())) read_all(**read);
    }
  }
}

TEST(FrameTest, a_frame_with_another_byte_anywhere_is_refused_or_whole) {
  std::size_t refused = 0;
  for (const base::Bytes& frame : one_of_each()) {
    for (std::size_t at = 0; at < frame.size(); ++at) {
      for (const int flip : {0x01, 0x80, 0xff}) {
        const Exact changed(frame, frame.size());
        changed.bytes[at] ^= static_cast<std::uint8_t>(flip);
        if (const auto read = read_frame(changed.view())) {
          read_all(**read);
        } else {
          ++refused;
        }
      }
    }
  }
  EXPECT_GT(refused, 300U);
}

TEST(FrameTest, what_is_no_frame_is_refused) {
  EXPECT_FALSE(read_frame({}));
  const base::Bytes zeros(4'096, 0);
  EXPECT_FALSE(read_frame(zeros));
  EXPECT_FALSE(read_frame(base::Bytes(frame_bytes_max + 1, 0)));
  // Another schema's file identifier.
  FrameWriter writer;
  const base::BytesView pong = writer.pong(1);
  base::Bytes other(pong.begin(), pong.end());
  other[4] = 'X';
  EXPECT_FALSE(read_frame(other));
}

}  // namespace
}  // namespace trv::plugin_host
