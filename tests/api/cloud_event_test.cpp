// CloudEvents that come in: what a sender said is kept, shown and handed to the workflow.

#include <fmt/format.h>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

class CloudEventTest : public ApiTest {
 protected:
  static void SetUpTestSuite() {
    ApiTest::SetUpTestSuite();
    const std::string workflow =
        "document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: taken\n  version: '1.0.0'\n"
        "schedule:\n  on:\n    one:\n      with:\n        type: com.example.taken\n"
        "do:\n  - keep:\n      set: '${ $workflow.input[0] }'\n";
    ASSERT_EQ(apply_workflow(acme(), "acme", workflow).status, 201);
  }
  static Answer send(std::string body, Headers headers = {{"Content-Type", "application/cloudevents+json"}}) {
    return call(acme(), "POST", "/v1/tenants/acme/events", std::move(body), std::move(headers));
  }
  /// A structured event with more members.
  static Answer send_with(const std::string& more) {
    return send(fmt::format(R"({{"specversion":"1.0","id":"{}","source":"/s","type":"com.example.taken"{}{}}})",
                            ++number_, more.empty() ? "" : ",", more));
  }
  static Answer send_binary(std::string body, Headers more) {
    Headers headers = {{"ce-specversion", "1.0"},
                       {"ce-id", std::to_string(++number_)},
                       {"ce-source", "/s"},
                       {"ce-type", "com.example.taken"}};
    headers.insert(headers.end(), more.begin(), more.end());
    return send(std::move(body), std::move(headers));
  }

  struct Taken {
    json::object recorded;  ///< data of the event's record
    json::object handed;    ///< what the workflow saw
  };
  static Taken taken(const Answer& answer) {
    EXPECT_EQ(answer.status, 202) << answer.body;
    if (answer.status != 202) return {};
    Taken taken;
    const json::value body = answer.value();
    for (const json::value& event : events(acme(), "acme")) {
      if (event.at("id") == body.at("received").at(0)) taken.recorded = event.at("data").as_object();
    }
    const std::string id(body.at("started").at(0).as_string());
    taken.handed = call(acme(), "GET", "/v1/tenants/acme/instances/" + id).value().at("output").as_object();
    return taken;
  }

 private:
  static int number_;
};

int CloudEventTest::number_ = 0;

TEST_F(CloudEventTest, what_was_not_said_is_absent) {
  const Taken event = taken(send_with(""));
  for (const char* name :
       {"subject", "time_ns", "data", "datacontenttype", "dataschema", "extensions", "data_base64"}) {
    EXPECT_FALSE(event.recorded.contains(name)) << name;
  }
  EXPECT_EQ(event.handed.size(), 4U) << json::serialize(event.handed);
}

TEST_F(CloudEventTest, the_types_of_the_platforms_own_events_are_refused) {
  for (const std::string type : {"trv.instance.started", "io.serverlessworkflow.workflow.started.v1"}) {
    const std::string event = R"({"specversion":"1.0","id":"own","source":"/s","type":")" + type + "\"}";
    const Answer answer = send(event);
    EXPECT_EQ(answer.status, 400) << answer.body;
    EXPECT_NE(answer.text("detail").find("as events of the platform itself do"), std::string::npos) << answer.body;
    EXPECT_EQ(send_binary("{}", {{"ce-type", type}}).status, 400);
    const Answer batch = send(R"([{"specversion":"1.0","id":"b1","source":"/s","type":"com.example.x"},)" + event + "]",
                              {{"Content-Type", "application/cloudevents-batch+json"}});
    EXPECT_EQ(batch.status, 400);
    EXPECT_NE(batch.text("detail").find("event 2"), std::string::npos) << batch.body;
    const Answer hook = call(acme(), "PUT", "/v1/tenants/acme/hooks/own",
                             R"({"type":")" + type + R"(","verification":{"scheme":"token"}})");
    EXPECT_EQ(hook.status, 400) << hook.body;
    EXPECT_NE(hook.text("detail").find("as events of the platform itself do"), std::string::npos) << hook.body;
  }
}

TEST_F(CloudEventTest, a_header_that_every_event_has_is_named_where_it_is_missing) {
  const Answer answer = send("{}", {{"ce-id", "1"}, {"ce-source", "/s"}, {"ce-type", "t"}});
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.body.find("header 'ce-specversion' is missing"), std::string::npos) << answer.body;
}

TEST_F(CloudEventTest, extension_attributes_are_kept_and_stand_beside_the_others) {
  const Taken event = taken(send_with(
      R"("region":"eu","sampled":true,"rank":-7,"gone":null,"dataschema":"https://x.y/z","datacontenttype":"text/plain","data":"x")"));
  EXPECT_EQ(event.recorded.at("extensions"), json::parse(R"({"region":"eu","sampled":true,"rank":-7})"));
  EXPECT_EQ(event.recorded.at("datacontenttype"), "text/plain");
  EXPECT_EQ(event.recorded.at("dataschema"), "https://x.y/z");
  EXPECT_EQ(event.recorded.at("data"), "x");
  EXPECT_EQ(event.handed.at("region"), "eu");
  EXPECT_EQ(event.handed.at("sampled"), true);
  EXPECT_EQ(event.handed.at("rank"), -7);
  EXPECT_EQ(event.handed.at("datacontenttype"), "text/plain");
  EXPECT_EQ(event.handed.at("dataschema"), "https://x.y/z");
  EXPECT_EQ(event.handed.at("data"), "x");
  EXPECT_FALSE(event.handed.contains("gone"));
}

TEST_F(CloudEventTest, an_extension_that_the_specification_does_not_allow_is_refused_by_name) {
  const std::pair<const char*, const char*> cases[] = {{R"("Bad_Ext":"x")", "'Bad_Ext'"},
                                                       {R"("abcdefghijklmnopqrstu":"x")", "'abcdefghijklmnopqrstu'"},
                                                       {R"("obj":{"a":1})", "'obj'"},
                                                       {R"("list":[1])", "'list'"},
                                                       {R"("real":1.5)", "'real'"},
                                                       {R"("big":2147483648)", "'big'"},
                                                       {R"("control":"a\nb")", "'control'"},
                                                       {R"("":"x")", "''"},
                                                       {R"("data":1,"data_base64":"eA==")", "both"},
                                                       {R"("data_base64":"?")", "base64"},
                                                       {R"("datacontenttype":3)", "'datacontenttype'"}};
  const std::size_t before = events(acme(), "acme").size();
  for (const auto& [more, name] : cases) {
    const Answer answer = send_with(more);
    EXPECT_EQ(answer.status, 400) << more;
    EXPECT_NE(answer.text("detail").find(name), std::string::npos) << answer.body;
  }
  for (const auto& [header, value] :
       {std::pair("ce-bad_ext", "x"), std::pair("ce-subject", "100%"), std::pair("ce-subject", "%ff"),
        std::pair("ce-subject", "a%0Ab"), std::pair("ce-id", "again"), std::pair("ce-datacontenttype", "text/plain")}) {
    const Answer answer = send_binary("{}", {{header, value}});
    EXPECT_EQ(answer.status, 400) << header << value << answer.body;
  }
  EXPECT_EQ(events(acme(), "acme").size(), before);
}

TEST_F(CloudEventTest, header_values_are_decoded_once) {
  const Taken event = taken(send_binary(
      "", {{"ce-subject", "a%20b%C3%A9%2520"}, {"CE-Region", "\"e \\\"u\""}, {"ce-time", "2026-01-02T03:04:05Z"}}));
  EXPECT_EQ(event.recorded.at("subject"), "a b\xC3\xA9%20");
  EXPECT_EQ(event.handed.at("subject"), "a b\xC3\xA9%20");
  EXPECT_EQ(event.recorded.at("extensions"), json::parse(R"({"region":"e \"u"})"));
  EXPECT_EQ(event.handed.at("region"), "e \"u");
  EXPECT_TRUE(event.recorded.contains("time_ns"));
  EXPECT_FALSE(event.recorded.contains("data"));
}

TEST_F(CloudEventTest, the_body_of_binary_mode_is_json_text_or_base64_by_its_type) {
  const Taken value = taken(send_binary(R"({"n":1.5})", {{"Content-Type", "application/vnd.x+json; charset=utf-8"}}));
  EXPECT_EQ(value.recorded.at("data"), json::parse(R"({"n":1.5})"));
  EXPECT_EQ(value.handed.at("datacontenttype"), "application/vnd.x+json; charset=utf-8");
  const Taken text = taken(send_binary("a\n\"b\"", {{"Content-Type", "text/plain"}}));
  EXPECT_EQ(text.recorded.at("data"), "a\n\"b\"");
  EXPECT_EQ(text.handed.at("data"), "a\n\"b\"");
  for (const auto& [type, body] : {std::pair("application/octet-stream", std::string("\xff\x00\xfe", 3)),
                                   std::pair("text/plain", std::string("\xff\x00\xfe", 3)),
                                   std::pair("text/plain; charset=iso-8859-1", std::string("\xff\x00\xfe", 3))}) {
    const Taken octets = taken(send_binary(body, {{"Content-Type", type}}));
    EXPECT_EQ(octets.recorded.at("data_base64"), "/wD+") << type;
    EXPECT_EQ(octets.handed.at("data_base64"), "/wD+") << type;
    EXPECT_FALSE(octets.handed.contains("data")) << type;
  }
  const Taken same = taken(send_with(R"("datacontenttype":"image/png","data_base64":"/wD+")"));
  EXPECT_EQ(same.handed.at("data_base64"), "/wD+");
  EXPECT_EQ(send_binary("{", {{"Content-Type", "application/json"}}).status, 400);
}

TEST_F(CloudEventTest, an_extension_can_be_what_a_workflow_waits_for) {
  const std::string workflow =
      "document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: regional\n  version: '1.0.0'\n"
      "schedule:\n  on:\n    one:\n      with:\n        type: com.example.regional\n        region: eu\n"
      "do:\n  - keep:\n      set:\n        kept: true\n";
  ASSERT_EQ(apply_workflow(acme(), "acme", workflow).status, 201);
  const auto started = [](const char* id, const char* region) {
    const Answer answer = send(fmt::format(
        R"({{"specversion":"1.0","id":"{}","source":"/r","type":"com.example.regional","region":"{}"}})", id, region));
    EXPECT_EQ(answer.status, 202) << answer.body;
    return answer.value().at("started").as_array().size();
  };
  EXPECT_EQ(started("1", "eu"), 1U);
  EXPECT_EQ(started("2", "us"), 0U);
}

}  // namespace
}  // namespace trv::api
