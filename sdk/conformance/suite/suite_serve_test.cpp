// The suite finds what is wrong with a plugin that serves HTTP: one defect at a time.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/conformance/suite/suite.hpp"
#include "sdk/cpp/plugin.hpp"

namespace trv::conformance::suite {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

enum class Defect { none, sets_a_cookie, answers_as_an_operation, sends_too_much, throws, splits_a_header };
Defect defect = Defect::none;

class Server : public sdk::Plugin {
 public:
  static sdk::Operations<Server> operations() { return {}; }
  sdk::Task serve(sdk::Call& call) {
    const sdk::WebRequest& request = call.request();
    switch (defect) {
      case Defect::none: break;
      case Defect::sets_a_cookie: co_return sdk::Response{.status = 200, .headers = {{"Set-Cookie", "a=b"}}};
      case Defect::answers_as_an_operation: co_return std::string("{}");
      case Defect::sends_too_much: co_return sdk::text_response(200, request.body + "and more");
      case Defect::throws: co_return sdk::text_response(200, request.path.substr(9'000));
      case Defect::splits_a_header: co_return sdk::Response{.status = 200, .headers = {{"etag", "a\r\nb: c"}}};
    }
    if (request.method == "POST") {
      auto sent = call.http(sdk::post("/x").body(request.body));
      co_await sent;
      if (!sent) co_return sent.failure();
    }
    if (request.path == "/") {
      auto forever = call.wait(std::chrono::hours(24));
      co_await forever;
    }
    co_return sdk::text_response(404, "not here");
  }
};
class Silent : public sdk::Plugin {
 public:
  static sdk::Operations<Silent> operations() { return {}; }
};
struct Name {
  static constexpr std::string_view id = "server";
  static constexpr std::string_view version = "1.0.0";
};

template <typename P>
std::vector<std::string> run(Defect chosen, const std::string& permissions = R"(["serve"])") {
  defect = chosen;
  const auto manifest = package::parse_manifest(
      R"({"manifest": 1, "id": "server", "version": "1.0.0", "title": "S", "summary": "", "license": "Apache-2.0",
          "abi": {"major": 1, "minor": 0}, "isolation": "in-process", "permissions": )" +
          permissions + "}",
      package::ManifestForm::source);
  EXPECT_TRUE(manifest) << manifest.error().message();
  return run_check("requests_over_http_end_with_what_may_be_sent", sdk::Entry<P, Name>::entry, *manifest);
}

TEST(SuiteServe, a_plugin_without_a_defect_passes) {
  EXPECT_THAT(run<Server>(Defect::none), IsEmpty());
  EXPECT_THAT(run<Silent>(Defect::none, "[]"), IsEmpty());
}

TEST(SuiteServe, every_planted_defect_is_found) {
  EXPECT_THAT(run<Server>(Defect::sets_a_cookie), Contains(HasSubstr("the header Set-Cookie")));
  EXPECT_THAT(run<Server>(Defect::answers_as_an_operation), Contains(HasSubstr("was answered as an operation")));
  EXPECT_THAT(run<Server>(Defect::sends_too_much), Contains(HasSubstr("over 1,000,000 bytes")));
  EXPECT_THAT(run<Server>(Defect::throws), Contains(HasSubstr("a defect of the plugin")));
  EXPECT_THAT(run<Server>(Defect::splits_a_header), Contains(HasSubstr("has a line break")));
  EXPECT_THAT(run<Server>(Defect::none, "[]"), Contains(HasSubstr("the manifest does not ask for the permission")));
  EXPECT_THAT(run<Silent>(Defect::none), Contains(HasSubstr("the library has no trv.serve/1")));
}

}  // namespace
}  // namespace trv::conformance::suite
