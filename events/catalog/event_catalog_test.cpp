#include "events/catalog/event_catalog.hpp"

#include <boost/json.hpp>
#include <flatbuffers/flatbuffers.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "events/schema/effect_generated.h"
#include "events/schema/ingest_generated.h"
#include "events/schema/tenancy_generated.h"

namespace trv::catalog {
namespace {

using flatbuffers::FlatBufferBuilder;

base::BytesView view(const FlatBufferBuilder& builder) {
  return {builder.GetBufferPointer(), builder.GetSize()};
}

TEST(EventCatalog, knows_the_events_of_every_schema) {
  const EventCatalog catalog = EventCatalog::make();
  for (const char* type : {"trv.tenant.created", "trv.plugin.requested", "trv.event.received", "trv.effect.requested",
                           "trv.instance.started", "trv.task.completed"}) {
    EXPECT_TRUE(catalog.knows(type)) << type;
  }
  EXPECT_FALSE(catalog.knows("trv.nothing"));
  EXPECT_TRUE(std::ranges::is_sorted(catalog.types()));
}

// The same vectors are read by the packages of other languages.
TEST(EventCatalog, payloads_of_every_type_are_shown_as_in_every_language) {
  const EventCatalog catalog = EventCatalog::make();
  std::ifstream file(std::string(TRV_SOURCE_DIR) + "/tests/golden/events/payloads.json");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::set<std::string> types;
  const boost::json::value vectors = boost::json::parse(text);
  for (const auto& vector : vectors.as_array()) {
    const std::string type = vector.at("type").as_string().c_str();
    const auto payload = base::from_base64(vector.at("payload").as_string());
    ASSERT_TRUE(payload) << type;
    const auto json = catalog.to_json(type, *payload);
    ASSERT_TRUE(json) << type << ": " << json.error().message();
    EXPECT_EQ(boost::json::parse(*json), vector.at("data")) << type;
    types.insert(type);
  }
  for (const std::string_view type : catalog.types()) EXPECT_TRUE(types.contains(std::string(type))) << type;
}

TEST(EventCatalog, json_text_stands_as_json_and_64_bit_numbers_as_text) {
  FlatBufferBuilder builder;
  const auto key = builder.CreateString("a\"b\n");
  const auto output = builder.CreateString("{\"n\":1}");
  builder.Finish(
      schema::effect::CreateEffectSucceeded(builder, key, output, 2, 9'007'199'254'740'993, 0, false, 7, 200));
  const auto json = EventCatalog::make().to_json("trv.effect.succeeded", view(builder));
  ASSERT_TRUE(json) << json.error().message();
  EXPECT_EQ(*json,
            "{\"key\":\"a\\\"b\\u000a\",\"output\":{\"n\":1},\"tries\":2,\"duration_ns\":\"9007199254740993\","
            "\"status\":200}")
      << "a position of the log is the log's own";
}

TEST(EventCatalog, byte_vectors_are_hexadecimal) {
  FlatBufferBuilder builder;
  const std::uint8_t bytes[] = {0x00, 0xff};
  const auto channel = builder.CreateString("api");
  const auto digest = builder.CreateVector(bytes, 2);
  schema::ingest::WebhookRefusedBuilder refused(builder);
  refused.add_channel(channel);
  refused.add_body_sha256(digest);
  builder.Finish(refused.Finish());
  const auto json = EventCatalog::make().to_json("trv.webhook.refused", view(builder));
  ASSERT_TRUE(json);
  EXPECT_EQ(*json, "{\"channel\":\"api\",\"body_sha256\":\"00ff\"}");
}

TEST(EventCatalog, the_hash_of_a_token_is_not_shown) {
  FlatBufferBuilder builder;
  const std::uint8_t bytes[] = {0xab, 0xcd};
  const auto id = builder.CreateString("t1");
  const auto hash = builder.CreateVector(bytes, 2);
  schema::tenancy::TokenIssuedBuilder token(builder);
  token.add_token_id(id);
  token.add_hash(hash);
  builder.Finish(token.Finish());
  const auto json = EventCatalog::make().to_json("trv.token.issued", view(builder));
  ASSERT_TRUE(json);
  EXPECT_EQ(*json, "{\"token_id\":\"t1\",\"expires_ns\":\"0\"}");
}

TEST(EventCatalog, what_a_sender_left_out_is_left_out) {
  const auto shown = [](const char* subject, std::int64_t time_ns) {
    FlatBufferBuilder builder;
    const auto id = builder.CreateString("e1");
    const auto text = builder.CreateString(subject);
    schema::ingest::EventReceivedBuilder event(builder);
    event.add_id(id);
    event.add_subject(text);
    event.add_time_ns(time_ns);
    builder.Finish(event.Finish());
    return EventCatalog::make().to_json("trv.event.received", view(builder)).value_or("");
  };
  EXPECT_EQ(shown("", 0), "{\"id\":\"e1\"}");
  EXPECT_EQ(shown("s", 7), "{\"id\":\"e1\",\"subject\":\"s\",\"time_ns\":\"7\"}");
}

TEST(EventCatalog, an_unknown_type_is_shown_as_it_is) {
  const auto json = EventCatalog::make().to_json("com.example.thing", base::as_bytes("\x01\x02\x03"));
  ASSERT_TRUE(json);
  EXPECT_EQ(*json, "{\"payload_base64\":\"AQID\"}");
}

TEST(EventCatalog, a_payload_that_does_not_fit_is_corrupt) {
  const EventCatalog catalog = EventCatalog::make();
  for (std::size_t size = 0; size < 64; ++size) {
    const base::Bytes garbage(size, 0xff);
    const auto json = catalog.to_json("trv.token.issued", garbage);
    ASSERT_FALSE(json);
    EXPECT_EQ(json.error().code(), base::ErrorCode::corrupt);
  }
}

}  // namespace
}  // namespace trv::catalog
