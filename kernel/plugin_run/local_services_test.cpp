#include "kernel/plugin_run/local_services.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/base/bytes.hpp"

namespace trv::plugin_run {
namespace {

using base::ErrorCode;
using plugin_host::any_revision;
using plugin_host::StoredValues;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

base::Result<plugin_host::ServiceAnswer> ask(LocalServices& services, plugin_host::ServiceRequest request,
                                             std::uint32_t emitted = 0) {
  return services.answer({.tenant = base::TenantId("local"),
                          .plugin = "forge",
                          .version = "1.0.0",
                          .key = "key",
                          .traceparent = {},
                          .emitted = emitted,
                          .request = std::move(request)});
}

StoredValues stored(const base::Result<plugin_host::ServiceAnswer>& answer) {
  EXPECT_TRUE(answer) << answer.error().message();
  return answer ? std::get<StoredValues>(*answer) : StoredValues{};
}

using plugin_host::EmitEvent;
using plugin_host::EraseValue;
using plugin_host::GetValue;
using plugin_host::ListValues;
using plugin_host::PutValue;
using plugin_host::SignData;

TEST(LocalServices, a_store_is_read_and_written_as_a_json_object) {
  const auto values = read_store(R"({"b":[1, 2],"a":{"x":null}})");
  ASSERT_TRUE(values) << values.error().message();
  EXPECT_THAT(*values, ElementsAre(Pair("a", R"({"x":null})"), Pair("b", "[1,2]")));
  EXPECT_EQ(to_text(*values), "{\n  \"a\": {\"x\":null},\n  \"b\": [1,2]\n}\n");
  EXPECT_EQ(read_store(to_text(*values)).value(), *values);
  EXPECT_EQ(to_text({}), "{}\n");
  EXPECT_FALSE(read_store("[]"));
  EXPECT_FALSE(read_store(R"({"":1})")) << "a key that no plugin could have put";
}

TEST(LocalServices, of_two_that_read_the_same_revision_one_writes) {
  LocalServices services({.store = {{"cursor", "1"}}});
  const StoredValues read = stored(ask(services, GetValue{"cursor"}));
  ASSERT_EQ(read.entries.size(), 1U);
  const std::uint64_t revision = read.entries[0].revision;
  EXPECT_GT(stored(ask(services, PutValue{"cursor", "2", revision})).entries.at(0).revision, revision);
  const auto late = ask(services, PutValue{"cursor", "3", revision});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), ErrorCode::conflict);
  EXPECT_FALSE(ask(services, EraseValue{"cursor", revision}));
  EXPECT_FALSE(ask(services, PutValue{"cursor", "3", 0})) << "there is one";
  EXPECT_TRUE(ask(services, EraseValue{"cursor", any_revision}));
  EXPECT_TRUE(ask(services, EraseValue{"cursor", any_revision})) << "what is not there is erased";
  EXPECT_TRUE(services.stored().empty());
}

TEST(LocalServices, a_list_is_in_order_and_page_by_page) {
  LocalServices services({.store = {{"a", "1"}, {"b/1", "1"}, {"b/2", "2"}, {"b/3", "3"}, {"c", "1"}}});
  StoredValues page = stored(ask(services, ListValues{"b/", "", 2}));
  ASSERT_EQ(page.entries.size(), 2U);
  EXPECT_EQ(page.entries[1].key, "b/2");
  EXPECT_TRUE(page.has_more);
  page = stored(ask(services, ListValues{"b/", "b/2", 2}));
  ASSERT_EQ(page.entries.size(), 1U);
  EXPECT_FALSE(page.has_more);
}

TEST(LocalServices, a_full_store_takes_no_more) {
  LocalServices services({});
  const std::string large = "\"" + std::string(60'000, 'x') + "\"";
  base::Result<plugin_host::ServiceAnswer> answer = StoredValues{};
  int put = 0;
  while (answer && put < 1'000) answer = ask(services, PutValue{fmt::format("key-{}", put++), large});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::exhausted);
  EXPECT_TRUE(ask(services, PutValue{"key-0", "1"})) << "one that is there may become smaller";
}

TEST(LocalServices, only_what_the_configuration_names_signs) {
  LocalServices services(
      {.secrets = {{"vault", "key"}, {"other", "o"}, {"pem", "s3cr3t"}}, .named = {"vault", "gone", "pem"}});
  const auto made = ask(services, SignData{"vault", egress::SignatureKind::hmac_sha256, "hello"});
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(base::to_hex(base::as_bytes(std::get<plugin_host::Signature>(*made).bytes)),
            "9307b3b915efb5171ff14d8cb55fbcc798c6c0ef1456d66ded1a6aa723a58b7b");
  for (const auto& [name, what] : std::vector<std::pair<std::string, std::string>>{{"other", "names no secret 'other'"},
                                                                                   {"gone", "--secrets FILE"}}) {
    const auto refused = ask(services, SignData{name, egress::SignatureKind::hmac_sha256, "hello"});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::denied);
    EXPECT_THAT(refused.error().message(), HasSubstr(what));
  }
  const auto no_key = ask(services, SignData{"pem", egress::SignatureKind::ed25519, "hello"});
  ASSERT_FALSE(no_key);
  EXPECT_THAT(no_key.error().message(), testing::AllOf(HasSubstr("secret 'pem'"), Not(HasSubstr("s3cr3t"))));
}

TEST(LocalServices, secrets_are_never_in_a_message) {
  EXPECT_EQ(read_secrets(R"({"vault":"s3cr3t"})").value().at("vault"), "s3cr3t");
  for (const char* text : {R"({"vault":{"s3cr3t":1}})", R"(["s3cr3t"])", R"({"vault":"s3cr3t)", "s3cr3t"}) {
    const auto secrets = read_secrets(text);
    ASSERT_FALSE(secrets) << text;
    EXPECT_THAT(secrets.error().message(), Not(HasSubstr("s3cr3t")));
  }
}

TEST(LocalServices, events_are_kept_in_their_order_with_ids_of_the_call) {
  LocalServices services({});
  ASSERT_TRUE(ask(services, EmitEvent{"com.forge.one", "x", "{}"}, 1));
  ASSERT_TRUE(ask(services, EmitEvent{"com.forge.two", "", ""}, 2));
  const auto events = services.events();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].id, "key/1");
  EXPECT_EQ(events[1].type, "com.forge.two");
}

}  // namespace
}  // namespace trv::plugin_run
