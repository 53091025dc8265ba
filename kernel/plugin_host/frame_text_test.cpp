#include "kernel/plugin_host/frame_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trv::plugin_host {
namespace {

using testing::HasSubstr;

std::string problem_of(std::string_view line) {
  const auto read = read_line(line);
  return read ? "taken" : read.error().message();
}

TEST(FrameTextTest, what_goes_to_a_program_is_one_line_each) {
  EXPECT_EQ(begin_line({.plugin = "p", .version = "1.0.0", .folder = "x", .configuration = "{\n\"a\": 1}"}),
            "{\"begin\":{\"plugin\":\"p\",\"version\":\"1.0.0\",\"configuration\":{ \"a\": 1}}}\n");
  EXPECT_EQ(begin_line({.plugin = "p",
                        .version = "1.0.0",
                        .folder = "x",
                        .with = {.state = SavedState{"0.9.0", std::string("\xff\x00", 2)}, .checks_health = true}}),
            "{\"begin\":{\"plugin\":\"p\",\"version\":\"1.0.0\",\"checks_health\":true,\"saved_by\":\"0.9.0\","
            "\"state_base64\":\"/wA=\",\"configuration\":{}}}\n");
  EXPECT_EQ(save_line(), "{\"save\":{}}\n");
  EXPECT_EQ(invoke_line({.tenant = base::TenantId("acme"),
                         .operation = "echo",
                         .connection = "api",
                         .idempotency_key = "k",
                         .traceparent = {},
                         .attempt = 2,
                         .timeout_ms = 9,
                         .idempotent = true,
                         .input = "[12345678901234567890]"},
                        7, 1'000),
            "{\"invoke\":{\"call\":7,\"operation\":\"echo\",\"tenant\":\"acme\",\"connection\":\"api\","
            "\"idempotency_key\":\"k\",\"traceparent\":\"\",\"attempt\":2,\"timeout_ms\":1000,"
            "\"input\":[12345678901234567890]}}\n");
  const auto web = std::make_shared<WebExchange>();
  web->request = {.principal = "token:t",
                  .principal_name = "Ada",
                  .role = "viewer",
                  .method = "GET",
                  .path = "/a",
                  .query = "b=1",
                  .headers = {{"accept", "*/*"}},
                  .body = "\xff"};
  EXPECT_EQ(serve_line({.tenant = base::TenantId("acme"),
                        .operation = {},
                        .connection = {},
                        .idempotency_key = "k",
                        .traceparent = {},
                        .input = {},
                        .web = web},
                       7, 1'000),
            "{\"serve\":{\"call\":7,\"tenant\":\"acme\",\"principal\":\"token:t\",\"principal_name\":\"Ada\",\"role\":"
            "\"viewer\","
            "\"method\":\"GET\",\"path\":\"/a\",\"query\":\"b=1\",\"headers\":[[\"accept\",\"*/"
            "*\"]],\"idempotency_key\":\"k\","
            "\"traceparent\":\"\",\"timeout_ms\":1000,\"body_base64\":\"/w==\"}}\n");
  EXPECT_EQ(cancel_line(7), "{\"cancel\":{\"call\":7}}\n");
  EXPECT_EQ(ping_line(1), "{\"ping\":{\"number\":1}}\n");
  EXPECT_EQ(end_line(), "{\"end\":{}}\n");
  EXPECT_EQ(http_line(3, egress::Response{.status = 200, .headers = {{"a", "b"}}, .body = "é"}),
            "{\"http_response\":{\"request\":3,\"status\":200,\"headers\":[[\"a\",\"b\"]],\"body\":\"é\"}}\n");
  EXPECT_EQ(http_line(3, base::fail(base::ErrorCode::timeout, "too late")),
            "{\"http_error\":{\"request\":3,\"code\":\"timeout\",\"message\":\"too late\"}}\n");
  EXPECT_EQ(served_line(3, StoredValues{.entries = {{"a", "[1,\n2]", 9}, {"b", "", 10}}, .has_more = true}),
            "{\"store_answer\":{\"request\":3,\"has_more\":true,\"entries\":[{\"key\":\"a\",\"revision\":9,"
            "\"value\":[1, 2]},{\"key\":\"b\",\"revision\":10}]}}\n");
  EXPECT_EQ(served_line(3, base::fail(base::ErrorCode::conflict, "another")),
            "{\"request_failed\":{\"request\":3,\"code\":\"conflict\",\"message\":\"another\"}}\n");
}

TEST(FrameTextTest, what_a_program_sends_is_read_whole) {
  EXPECT_FALSE(std::get<ReadyLine>(*read_line(R"({"ready":{}})")).keeps_state);
  EXPECT_TRUE(std::get<ReadyLine>(*read_line(R"({"ready":{"keeps_state":true,"operations":[]}})")).keeps_state);
  EXPECT_EQ(std::get<SavedLine>(*read_line(R"({"saved":{"state_base64":"/wA="}})")).state.value(),
            std::string("\xff\x00", 2));
  const auto measure = std::get<MeasureLine>(
      *read_line(R"({"measure":{"metric":"histogram","name":"a","value":0.5,"labels":{"b":"c"}}})"));
  EXPECT_EQ(measure.measurement.kind, MetricKind::histogram);
  EXPECT_EQ(measure.measurement.labels, (MetricLabels{{"b", "c"}}));
  const auto progress = std::get<ProgressLine>(*read_line(R"({"progress":{"call":7,"fraction":1,"text":"a"}})"));
  EXPECT_EQ(progress.fraction, 1.0);
  EXPECT_EQ(std::get<ProgressLine>(*read_line(R"({"progress":{"call":7,"fraction":null}})")).fraction, -1.0);
  const auto begun = std::get<BeginSpanLine>(
      *read_line(R"({"begin_span":{"call":7,"span":2,"parent":1,"name":"a","attributes":{"b":"c"}}})"));
  EXPECT_EQ(begun.call, 7U);
  EXPECT_EQ(begun.span.id, 2U);
  EXPECT_EQ(begun.span.parent, 1U);
  EXPECT_EQ(begun.span.attributes, (decltype(Span::attributes){{"b", "c"}}));
  EXPECT_EQ(std::get<EndSpanLine>(*read_line(R"({"end_span":{"call":7,"span":2}})")).span, 2U);
  EXPECT_EQ(std::get<StreamLine>(*read_line(R"({"stream":{"call":7,"text":"word "}})")).text, "word ");
  EXPECT_EQ(problem_of(R"({"stream":{"call":7}})"), "stream.text is missing");
  EXPECT_EQ(std::get<SavedLine>(*read_line(R"({"saved":{"problem":"no"}})")).state.error().message(), "no");
  EXPECT_EQ(std::get<AnswerLine>(*read_line(R"({"answer":{"call":7,"output":{"b":1,"a":[]}}})")).output,
            R"({"b":1,"a":[]})");
  const auto failed = std::get<FailedLine>(*read_line(
      R"({"failed":{"call":7,"code":"exhausted","message":"m","may_retry":true,"retry_after_ms":9,"status":429}})"));
  EXPECT_EQ(failed.error.code, base::ErrorCode::exhausted);
  EXPECT_TRUE(failed.error.may_retry);
  EXPECT_EQ(failed.error.retry_after_ms, 9U);
  EXPECT_EQ(failed.error.status, 429U);
  const auto http = std::get<HttpLine>(*read_line(
      R"({"http_request":{"call":7,"request":1,"connection":"c","method":"POST","path":"/x","headers":[["a","b"]],)"
      R"("body_base64":"/wA=","in_parts":true}})"));
  ASSERT_TRUE(http.request);
  EXPECT_TRUE(http.request->in_parts);
  EXPECT_EQ(http.request->method, "POST");
  EXPECT_EQ(http.request->headers.at(0).value, "b");
  EXPECT_EQ(http.request->body, std::string("\xff\x00", 2));
  EXPECT_FALSE(http.request->written);
  const auto upload = std::get<HttpLine>(*read_line(
      R"({"http_request":{"call":7,"request":1,"method":"PUT","path":"/x","body_stream":2,"body_length":30}})"));
  ASSERT_TRUE(upload.request && upload.request->written);
  EXPECT_EQ(upload.request->written->stream_id, 2U);
  EXPECT_EQ(upload.request->written->length, 30U);
  const auto chunks = std::get<HttpLine>(
      *read_line(R"({"http_request":{"call":7,"request":1,"method":"PUT","path":"/x","body_stream":2}})"));
  EXPECT_EQ(chunks.request->written->length, std::nullopt);
  const auto odd = std::get<HttpLine>(*read_line(
      R"({"http_request":{"call":7,"request":1,"method":"PUT","path":"/x","body_stream":2,"body_length":-1}})"));
  EXPECT_THAT(odd.request.error().message(), HasSubstr("body_length is not a whole number"));
  EXPECT_EQ(std::get<ReadBodyLine>(*read_line(R"({"read_body":{"call":7,"stream":9}})")).stream, 9U);
  const auto web = std::get<RespondLine>(
      *read_line(R"({"respond":{"call":7,"status":201,"headers":[["etag","1"]],"body_base64":"/wA="}})"));
  EXPECT_EQ(web.call, 7U);
  EXPECT_EQ(web.response.status, 201U);
  EXPECT_EQ(web.response.headers.at(0).value, "1");
  EXPECT_EQ(web.response.body, std::string("\xff\x00", 2));
  EXPECT_EQ(std::get<RespondLine>(*read_line(R"({"respond":{"call":7}})")).response.status, 200U);
  const auto put = std::get<ServiceLine>(
      *read_line(R"({"store_request":{"call":7,"request":1,"action":"put","key":"a","value":{"b":1},"expected":3}})"));
  EXPECT_EQ(std::get<PutValue>(*put.request).value, R"({"b":1})");
  EXPECT_EQ(std::get<PutValue>(*put.request).expected, 3U);
  const auto sign = std::get<ServiceLine>(
      *read_line(R"({"sign_request":{"call":7,"request":1,"secret":"v","signature":"ed25519","data_base64":"/wA="}})"));
  EXPECT_EQ(std::get<SignData>(*sign.request).data, std::string("\xff\x00", 2));
  const auto emit =
      std::get<ServiceLine>(*read_line(R"({"emit_request":{"call":7,"request":1,"type":"com.a.b","data":[1]}})"));
  EXPECT_EQ(std::get<EmitEvent>(*emit.request).data, "[1]");
  const auto list = std::get<ServiceLine>(*read_line(R"({"store_request":{"call":7,"request":1,"action":"list"}})"));
  EXPECT_EQ(std::get<ListValues>(*list.request).count_max, 100U);
}

TEST(FrameTextTest, streams_are_lines_too) {
  EXPECT_EQ(part_line(9, "é"), "{\"part\":{\"stream\":9,\"text\":\"é\"}}\n");
  EXPECT_EQ(part_line(9, "\xff"), "{\"part\":{\"stream\":9,\"base64\":\"/w==\"}}\n");
  EXPECT_EQ(stream_ended_line(9, {}), "{\"stream_ended\":{\"stream\":9}}\n");
  EXPECT_EQ(stream_ended_line(9, base::fail(base::ErrorCode::unavailable, "it broke")),
            "{\"stream_ended\":{\"stream\":9,\"code\":\"unavailable\",\"message\":\"it broke\"}}\n");
  EXPECT_EQ(room_line(9, 5), "{\"room\":{\"stream\":9,\"bytes\":5}}\n");

  const auto head = std::get<RespondInPartsLine>(
      *read_line(R"({"respond_in_parts":{"call":7,"stream":9,"headers":[["etag","1"]],"text":"first"}})"));
  EXPECT_EQ(head.call, 7U);
  EXPECT_EQ(head.stream, 9U);
  EXPECT_EQ(head.head.status, 200U);
  EXPECT_EQ(head.head.headers.at(0).value, "1");
  EXPECT_EQ(head.head.body, "first");
  const auto part = std::get<WriteLine>(*read_line(R"({"write":{"call":7,"stream":9,"base64":"/wA="}})"));
  EXPECT_EQ(part.stream, 9U);
  EXPECT_EQ(part.part, std::string("\xff\x00", 2));
  EXPECT_EQ(std::get<EndStreamLine>(*read_line(R"({"end_stream":{"call":7,"stream":9}})")).stream, 9U);
  EXPECT_EQ(std::get<TakeLine>(*read_line(R"({"take":{"call":7,"stream":9,"bytes":5}})")).byte_count, 5U);
  EXPECT_EQ(std::get<DropLine>(*read_line(R"({"drop":{"call":7,"stream":9}})")).call, 7U);
  EXPECT_EQ(problem_of(R"({"write":{"call":7,"stream":9}})"), "write.text is missing");
  EXPECT_EQ(problem_of(R"({"write":{"call":7,"text":""}})"), "write.stream is missing");
  EXPECT_EQ(problem_of(R"({"write":{"call":7,"stream":9,"base64":"*"}})"), "write.base64 is not base64");
  EXPECT_EQ(problem_of(R"({"take":{"call":7,"stream":9}})"), "take.bytes is missing");
  EXPECT_EQ(problem_of(R"({"respond_in_parts":{"call":7,"stream":9,"status":1000}})"),
            "respond_in_parts.status is not that of HTTP");
}

TEST(FrameTextTest, what_is_no_frame_is_named) {
  EXPECT_THAT(problem_of("{"), HasSubstr("not JSON"));
  EXPECT_THAT(problem_of("[]"), HasSubstr("not an object with one member"));
  EXPECT_THAT(problem_of("{}"), HasSubstr("not an object with one member"));
  EXPECT_THAT(problem_of(R"({"ready":{},"pong":{}})"), HasSubstr("not an object with one member"));
  EXPECT_EQ(problem_of(R"({"invoke":{}})"), "a frame 'invoke', which there is not");
  EXPECT_EQ(problem_of(R"({"answer":{"call":7}})"), "answer.output is missing");
  EXPECT_EQ(problem_of(R"({"answer":{"output":1}})"), "answer.call is missing");
  EXPECT_EQ(problem_of(R"({"answer":{"call":-1,"output":1}})"), "answer.call is not a whole number from 0");
  EXPECT_EQ(problem_of(R"({"failed":{"call":1,"code":"odd","message":""}})"), "failed.code is not a code: odd");
  EXPECT_EQ(problem_of(R"({"failed":{"call":1,"message":"","detail":[]}})"), "failed.detail is not an object");
  EXPECT_EQ(problem_of(R"({"measure":{"metric":"x"}})"), "measure.metric is not counter, gauge or histogram");
  EXPECT_EQ(problem_of(R"({"measure":{"metric":"gauge","name":"a"}})"), "measure.value is not a number");
  EXPECT_EQ(problem_of(R"({"begin_span":{"call":7,"span":1}})"), "begin_span.name is missing");
  EXPECT_EQ(problem_of(R"({"begin_span":{"call":7,"span":1,"name":"a","attributes":{"b":1}}})"),
            "begin_span.attributes holds something that is not a text");
  EXPECT_EQ(problem_of(R"({"progress":{"call":7,"fraction":"half"}})"), "progress.fraction is not a number");
  EXPECT_EQ(problem_of(R"({"saved":{}})"), "saved.state_base64 is missing");
  EXPECT_EQ(problem_of(R"({"log":{"level":"loud","message":""}})"), "log.level is not debug, info, warning or error");
  EXPECT_EQ(problem_of(R"({"respond":{"call":1,"status":1000}})"), "respond.status is not that of HTTP");
  EXPECT_EQ(problem_of(R"({"respond":{"call":1,"body_base64":1}})"), "respond.body_base64 is not base64");
  // The call is known: it gets the error as the end of its request.
  const auto http = read_line(R"({"http_request":{"call":1,"request":2,"path":"/","headers":{}}})");
  ASSERT_TRUE(http);
  EXPECT_THAT(std::get<HttpLine>(*http).request.error().message(), HasSubstr("http_request.headers"));
  const auto store = read_line(R"({"store_request":{"call":1,"request":2,"action":"burn"}})");
  ASSERT_TRUE(store);
  EXPECT_EQ(std::get<ServiceLine>(*store).request.error().message(),
            "store_request.action is not get, put, erase or list");
}

}  // namespace
}  // namespace trv::plugin_host
