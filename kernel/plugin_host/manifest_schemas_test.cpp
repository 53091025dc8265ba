#include "kernel/plugin_host/manifest_schemas.hpp"

#include "kernel/plugin_host/testing/plugin_host_fixture.hpp"

namespace trv::plugin_host {
namespace {

using testing::HasSubstr;

/// The good plugin, whose operation `echo` has these schemas.
base::Bytes package_with(const std::string& input, const std::string& output, const std::string& more = "") {
  const std::string manifest =
      R"({"manifest":1,"id":"tracker","version":"1.2.3","title":"T","summary":"S","license":"Apache-2.0",)"
      R"("abi":{"major":1,"minor":0},"isolation":"in-process","libraries":{"linux-x86_64":{"path":)"
      R"("lib/linux-x86_64/plugin.so"}},"operations":[{"name":"echo","title":"T","idempotent":true,"input":)" +
      input + R"(,"output":)" + output + "}]" + more + "}";
  auto code = base::read_file(library_path("good"), 64'000'000);
  EXPECT_TRUE(code);
  std::vector<package::File> files;
  files.push_back({"lib/linux-x86_64/plugin.so", *std::move(code)});
  auto bytes = package::assemble(manifest, std::move(files));
  EXPECT_TRUE(bytes) << bytes.error().message();
  return bytes ? *std::move(bytes) : base::Bytes();
}

TEST_F(PluginHostTest, an_input_that_does_not_match_its_schema_never_reaches_the_plugin) {
  const base::Bytes package = package_with(
      R"({"type":"object","required":["title"],"properties":{"title":{"type":"string"}},"additionalProperties":false})",
      "true");
  ASSERT_TRUE(load(install(package).package_digest));
  EXPECT_EQ(run(call("echo", R"({"title":"x"})")).value(), R"({"title":"x"})");
  EXPECT_TRUE(host_->check_input("tracker", "1.2.3", "echo", R"({"title":"x"})"));
  EXPECT_EQ(host_->check_input("tracker", "1.2.3", "echo", "{}").error().code(), ErrorCode::invalid);
  EXPECT_EQ(host_->check_input("tracker", "1.2.3", "ecko", "{}").error().code(), ErrorCode::not_found);
  const std::uint64_t answered = metrics().succeeded + metrics().failed;
  const CallOutcome refused = run(call("echo", R"({"titel":5})"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid);
  EXPECT_FALSE(refused.error().may_retry);
  EXPECT_EQ(
      refused.error().message,
      "the input of 'echo' does not match the schema in the plugin's manifest:\nthe property \"title\" is missing; "
      "was it meant by \"titel\"?\n/titel: the property \"titel\" is not known here; did you mean \"title\"?");
  EXPECT_EQ(metrics().succeeded + metrics().failed, answered);
}

TEST_F(PluginHostTest, an_output_that_does_not_match_its_schema_fails_the_call) {
  ASSERT_TRUE(load(install(package_with("true", R"({"required":["id"]})")).package_digest));
  EXPECT_EQ(run(call("echo", R"({"id":1})")).value(), R"({"id":1})");
  const CallOutcome wrong = run(call("echo", "{}"));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::internal);
  EXPECT_FALSE(wrong.error().may_retry);
  EXPECT_THAT(wrong.error().message,
              HasSubstr("the output of 'echo' does not match the schema in the plugin's manifest"));
}

TEST_F(PluginHostTest, a_package_whose_schemas_are_bad_is_not_taken) {
  const auto put = store_->put(package_with(R"({"properties":{"a":{"type":"strin"}}})", "true"));
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code(), ErrorCode::invalid);
  EXPECT_THAT(put.error().message(),
              HasSubstr("operations[0].input: #/properties/a/type: \"strin\" is not the name of a "
                        "type"));
}

TEST_F(PluginHostTest, a_mark_of_a_secret_that_would_not_be_looked_at_is_not_taken) {
  const auto refusal_of = [&](const std::string& configuration) {
    const auto put = store_->put(package_with("true", "true", R"(,"configuration":)" + configuration));
    return put ? "" : put.error().message();
  };
  const std::string marked = R"({"type":"string","secret":true})";
  for (const auto& [configuration, place] : std::vector<std::pair<std::string, std::string>>{
           {R"({"properties":{"k":{"type":"array","items":)" + marked + "}}}", "#/properties/k/items"},
           {R"({"properties":{"k":{"type":"integer","secret":true}}})", "#/properties/k"},
           {R"({"properties":{"k":{"secret":true}}})", "#/properties/k"},
           {R"({"properties":{"k":{"$ref":"#/$defs/s"}},"$defs":{"s":)" + marked + "}}", "#/$defs/s"},
           {R"({"properties":{"k":{"anyOf":[{"type":"null"},)" + marked + "]}}}", "#/properties/k/anyOf/1"},
           {R"({"additionalProperties":)" + marked + "}", "#/additionalProperties"},
           {R"({"allOf":[{"properties":{"k":)" + marked + "}}]}", "#/allOf/0/properties/k"},
           {R"({"type":"object","secret":true})", "#"}}) {
    EXPECT_THAT(refusal_of(configuration),
                HasSubstr("configuration: " + place + ": \"secret\": true has no effect here"))
        << configuration;
  }
  EXPECT_THAT(refusal_of(R"({"properties":{"k":{"type":"string","secret":"yes"}}})"),
              HasSubstr("must be true or false"));
  EXPECT_EQ(refusal_of(R"({"properties":{"a":{"properties":{"k":)" + marked + R"(,"secret":true}}},)" +
                       R"("default":{"items":{"secret":true}}})"),
            "");
}

TEST_F(PluginHostTest, an_operation_that_subscribes_takes_events) {
  const std::string subscribes =
      R"(,"permissions":["subscriptions:com.acme.opened"],"subscriptions":[{"operation":"echo","events":["com.acme.opened"]}])";
  for (const char* takes :
       {"true", R"({"type":"object"})", R"({"type":"object","required":["event"]})",
        R"({"properties":{"event":{"required":["data","subject"],"properties":{"data":{"required":["n"]}}}}})"}) {
    EXPECT_TRUE(compile_schemas(package::read(package_with(takes, "true", subscribes))->manifest)) << takes;
  }
  for (const char* refuses : {R"({"type":"object","required":["title"]})", R"({"type":"string"})",
                              R"({"type":"object","properties":{"title":{}},"additionalProperties":false})",
                              R"({"properties":{"event":{"type":"string"}}})"}) {
    const auto refused = compile_schemas(package::read(package_with(refuses, "true", subscribes))->manifest);
    ASSERT_FALSE(refused) << refuses;
    EXPECT_THAT(refused.error().message(),
                HasSubstr("subscriptions[0]: operation \"echo\" is called with {\"event\": …}"));
    EXPECT_TRUE(compile_schemas(package::read(package_with(refuses, "true"))->manifest)) << refuses;
  }
}

TEST_F(PluginHostTest, a_configuration_that_no_object_matches_is_not_taken) {
  for (const std::string configuration :
       {"false", R"({"type":"string"})", R"({"type":["null","array"]})", R"({"const":1})", R"({"enum":["a",2]})",
        R"({"allOf":[{"minProperties":1},{"type":"integer"}]})"}) {
    const auto put = store_->put(package_with("true", "true", R"(,"configuration":)" + configuration));
    ASSERT_FALSE(put) << configuration;
    EXPECT_THAT(put.error().message(), HasSubstr("configuration: #: no object matches this schema")) << configuration;
  }
  for (const std::string configuration : {"true", "{}", R"({"type":["null","object"]})", R"({"enum":[{}]})"}) {
    EXPECT_TRUE(store_->put(package_with("true", "true", R"(,"configuration":)" + configuration))) << configuration;
  }
}

TEST_F(PluginHostTest, a_package_with_bad_schemas_that_is_installed_already_stays_usable) {
  // As an earlier host took it.
  const auto digest = archives_.put(package_with(R"({"type":"strin"})", "true"));
  ASSERT_TRUE(digest);
  ASSERT_TRUE(load(*digest));
  EXPECT_TRUE(run(call("echo", "{}")));
}

TEST_F(PluginHostTest, a_configuration_is_held_against_its_schema_and_not_quoted) {
  const base::Bytes package =
      package_with("true", "true", R"(,"configuration":{"properties":{"key":{"type":"string","maxLength":3}}})");
  const Stored stored = install(package);
  const base::Status refused = load(stored.package_digest, R"({"key":"hunter2"})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::invalid);
  EXPECT_THAT(
      refused.error().message(),
      HasSubstr("the configuration of plugin 'tracker' 1.2.3 does not match the schema in the plugin's manifest:\n"
                "/key: the value has 7 characters, at most 3 are allowed"));
  EXPECT_TRUE(load(stored.package_digest, R"({"key":"abc"})"));
}

}  // namespace
}  // namespace trv::plugin_host
