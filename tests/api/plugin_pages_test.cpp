// Pages of a plugin: its package's files and no others, for those who may ask, under a policy that keeps them apart.

#include <gmock/gmock.h>

#include "kernel/http/testing/raw_client.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/package/package.hpp"
#include "tests/support/api/plugin_fixture.hpp"

namespace trv::api {
namespace {

using testing::HasSubstr;

constexpr std::string_view index_page = "<!doctype html><script src=\"a/app.js\"></script>";

class PluginPagesTest : public PluginFixture {
 protected:
  void SetUp() override {
    PluginFixture::SetUp();
    if (IsSkipped()) return;
    const Answer installed = install(packed());
    ASSERT_EQ(installed.status, 201) << installed.body;
    ASSERT_EQ(call("PUT", "/tracker", R"({"version":"1.3.0-dev","permissions":["serve","webhooks"]})").status, 200);
  }
  static base::Bytes packed() {
    const auto plain = package::read(base::BytesView(tracker_package("good_dev", 1, std::string::npos, "1.3.0-dev")));
    EXPECT_TRUE(plain);
    json::object manifest = json::parse(plain->manifest.text).as_object();
    manifest.erase("files");
    manifest["permissions"] = {"serve", "webhooks"};
    manifest["pages"] = "site/";
    std::vector<package::File> files = plain->files;
    files.push_back({"site/index.html", base::to_bytes(index_page)});
    files.push_back({"site/a/app.js", base::to_bytes("1")});
    files.push_back({"site/a/index.html", base::to_bytes("<p>a")});
    files.push_back({"docs/index.html", base::to_bytes("not a page")});
    auto made = package::assemble(json::serialize(manifest), std::move(files));
    EXPECT_TRUE(made) << made.error().message();
    return made ? *std::move(made) : base::Bytes();
  }
  http::RawAnswer raw(const std::string& path, const std::string& more = "", const std::string& method = "GET") {
    const std::string& url = daemon_->url();
    http::RawClient client(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
    client.send(fmt::format("{} /v1/tenants/acme/plugins/tracker/pages{} HTTP/1.1\r\nHost: x\r\n{}\r\n", method, path,
                            more.empty() ? "Authorization: Bearer " + acme_ + "\r\n" : more));
    return client.read_answer(method == "HEAD");
  }
};

TEST_F(PluginPagesTest, a_page_is_sent_with_its_type_its_digest_and_a_policy) {
  const http::RawAnswer page = raw("/");
  ASSERT_EQ(page.status, 200) << page.body;
  EXPECT_EQ(page.body, index_page);
  EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.headers.at("content-security-policy"),
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'");
  EXPECT_EQ(page.headers.at("x-content-type-options"), "nosniff");
  EXPECT_EQ(page.headers.at("cache-control"), "private, no-cache");
  const std::string etag = "\"" + base::to_hex(base::sha256(base::as_bytes(index_page))) + "\"";
  EXPECT_EQ(page.headers.at("etag"), etag);
  EXPECT_EQ(raw("/", "Authorization: Bearer " + acme_ + "\r\nIf-None-Match: " + etag + "\r\n").status, 304);
  EXPECT_EQ(raw("/index.html").body, index_page);
  EXPECT_EQ(raw("/a/index.html").body, "<p>a");
  EXPECT_EQ(raw("/a/app.js?v=1").headers.at("content-type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(raw("/", "", "HEAD").status, 200);
  const http::RawAnswer leads = raw("");
  EXPECT_EQ(leads.status, 308);
  EXPECT_EQ(leads.headers.at("location"), "pages/");
}

TEST_F(PluginPagesTest, what_is_not_a_page_of_the_package_is_not_there) {
  for (const char* path :
       {"/a", "/a/", "/a/app.js/", "//index.html", "/index.html/", "/INDEX.HTML", "/docs/index.html", "/b/",
        "/..%2fdocs%2findex.html", "/..%5cdocs", "/%2fetc%2fpasswd", "/manifest.json", "/index.html%20"}) {
    EXPECT_EQ(raw(path).status, 404) << path;
  }
  for (const char* path : {"/../docs/index.html", "/%2e%2e/docs/index.html", "/a/%2E/app.js", "/index.html%00.js"}) {
    EXPECT_EQ(raw(path).status, 400) << path;
  }
  EXPECT_EQ(raw("/", "", "POST").status, 405);
}

TEST_F(PluginPagesTest, pages_are_for_those_who_may_ask) {
  const http::RawAnswer unknown = raw("/", "X-Nothing: 1\r\n");
  EXPECT_EQ(unknown.status, 401);
  EXPECT_THAT(unknown.headers.at("www-authenticate"), HasSubstr("Basic")) << "a browser asks its user";
  const auto basic = [](const std::string& text) {
    return "Authorization: Basic " + base::to_base64(base::as_bytes(text)) + "\r\n";
  };
  EXPECT_EQ(raw("/", basic("anyone:" + acme_)).status, 200);
  EXPECT_EQ(raw("/", basic(":" + acme_)).status, 200);
  for (const std::string& wrong : {std::string("anyone:x"), acme_, std::string(), std::string(":"), acme_ + ":"}) {
    EXPECT_EQ(raw("/", basic(wrong)).status, 401) << wrong;
  }
  EXPECT_EQ(raw("/", "Authorization: Basic !!!\r\n").status, 401);
  // Basic is for pages alone: a browser sends it by itself.
  EXPECT_EQ(ask(*daemon_, "", "GET", "/v1/tenants/acme/plugins", {},
                {{"Authorization", "Basic " + base::to_base64(base::as_bytes("a:" + acme_))}})
                .status,
            401);
  EXPECT_EQ(ask(*daemon_, "", "GET", "/v1/tenants/acme/plugins/tracker/serve/made", {},
                {{"Authorization", "Basic " + base::to_base64(base::as_bytes("a:" + acme_))}})
                .status,
            401);
  const std::string beta = create_tenant(*daemon_, "beta");
  EXPECT_EQ(raw("/", basic("a:" + beta)).status, 404);
  EXPECT_EQ(ask(*daemon_, beta, "GET", "/v1/tenants/beta/plugins/tracker/pages/").status, 404) << "not enabled there";
  ASSERT_EQ(call("POST", "/tracker/permissions", R"({"withdraw":["serve"]})").status, 200);
  EXPECT_EQ(raw("/").status, 403);
}

TEST_F(PluginPagesTest, another_version_brings_its_own_pages_or_none) {
  ASSERT_EQ(raw("/").status, 200);
  ASSERT_EQ(call("POST", "/tracker/upgrade", R"({"version":"2.0.0","permissions":["http","webhooks"]})").status, 200);
  const http::RawAnswer none = raw("/");
  EXPECT_EQ(none.status, 404);
  EXPECT_THAT(none.body, HasSubstr("brings no pages"));
}

}  // namespace
}  // namespace trv::api
