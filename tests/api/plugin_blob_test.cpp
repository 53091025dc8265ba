// The large things that a plugin keeps (trv.blob/1): by its digest, in its tenant, beside the log.

#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "kernel/http/testing/raw_client.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/file.hpp"
#include "sdk/package/package.hpp"
#include "tests/support/api/plugin_fixture.hpp"

namespace trv::api {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;

constexpr std::uint64_t bytes_20_mb = 20'000'000;

/// As the plugin makes them.
std::string bytes_of(std::uint64_t seed, std::uint64_t count) {
  std::string bytes(count, '\0');
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t value = i / 8 * 0x9e3779b97f4a7c15 + seed;
    value ^= value >> 29;
    bytes[i] = static_cast<char>(value >> (i % 8 * 8));
  }
  return bytes;
}

std::string digest_of(const std::string& bytes) {
  return base::to_hex(base::sha256(base::as_bytes(bytes)));
}

/// In a process of the plugin's own, and within travd.
class PluginBlobTest : public PluginFixture, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    if (!GetParam()) surroundings_.variables["TRAV_PLUGINS_IN_PROCESS"] = "tracker";
    PluginFixture::SetUp();
    if (IsSkipped()) return;
    const Answer installed = install(
        tracker_package("blobs", 1, std::string::npos, "1.5.0", R"("permissions":["serve","blobs","webhooks"],)"));
    ASSERT_EQ(installed.status, 201) << installed.body;
    grant(acme_, "acme", R"(["serve","blobs","webhooks"])");
  }
  void grant(const std::string& owner, const std::string& tenant, const std::string& permissions) {
    const Answer enabled = ask(*daemon_, owner, "PUT", fmt::format("/v1/tenants/{}/plugins/tracker", tenant),
                               fmt::format(R"({{"version":"1.5.0","permissions":{}}})", permissions),
                               {{"Content-Type", "application/json"}});
    ASSERT_EQ(enabled.status, 200) << enabled.body;
  }
  Answer get(const std::string& path) { return call("GET", "/tracker/serve" + path); }
  /// A request whose answer nobody waits for.
  std::unique_ptr<http::RawClient> begin(const std::string& path) {
    const std::string& url = daemon_->url();
    auto client =
        std::make_unique<http::RawClient>(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
    client->send(fmt::format(
        "GET /v1/tenants/acme/plugins/tracker/serve{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", path,
        acme_));
    return client;
  }
  /// The digest.
  std::string put(std::uint64_t seed, std::uint64_t bytes, const std::string& name = "") {
    const Answer answer = get(fmt::format("/put?seed={}&bytes={}&name={}", seed, bytes, name));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.body;
  }
  [[nodiscard]] std::filesystem::path file_of(const std::string& digest) const {
    return daemon_->data() / "blobs" / digest.substr(0, 2) / digest.substr(2);
  }
  void restart() {
    ASSERT_EQ(daemon_->stop(), 0);
    auto started = Daemon::start(scratch_, {}, surroundings_);
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
  }
  std::string events() { return ask(*daemon_, acme_, "GET", "/v1/tenants/acme/events?limit=500").body; }
  /// Of the daemon.
  [[nodiscard]] long memory_kib() const {
    std::ifstream status(fmt::format("/proc/{}/status", daemon_->id()));
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmHWM:")) return std::stol(line.substr(6));
    }
    return 0;
  }
};

TEST_P(PluginBlobTest, twenty_megabytes_are_kept_and_read_while_travd_holds_a_part) {
  put(1, 1'000'000);
  const long before = memory_kib();
  const std::string digest = put(2, bytes_20_mb, "export.bin");
  const long more = memory_kib() - before;
  const std::string expected = bytes_of(2, bytes_20_mb);
  EXPECT_EQ(digest, digest_of(expected));
  EXPECT_LT(more, 8'192) << "KiB more than before";
  const Answer read = get("/read?digest=" + digest);
  EXPECT_EQ(read.status, 200);
  EXPECT_TRUE(read.body == expected) << read.body.size() << " bytes";
  EXPECT_LT(memory_kib() - before, 12'288) << "KiB more than before";
  RecordProperty("kib_more", static_cast<int>(memory_kib() - before));
  EXPECT_EQ(get("/entry?digest=" + digest).body,
            fmt::format("{} 20000000 application/octet-stream export.bin\nall", digest));
  EXPECT_THAT(events(), AllOf(HasSubstr("trv.plugin.blob_stored"), HasSubstr(R"("actor":"plugin:tracker")"),
                              HasSubstr(R"("name":"export.bin")")));
  EXPECT_EQ(put(0, 0), digest_of("")) << "an empty one";
}

TEST_P(PluginBlobTest, a_rebuilt_projection_has_the_same_blobs) {
  for (int i = 0; i < 5; ++i) put(static_cast<std::uint64_t>(i), 1'000);
  const std::string gone = put(7, 1'000);
  ASSERT_EQ(get("/erase?digest=" + gone).status, 200);
  const std::string listed = get("/list?count=100").body;
  EXPECT_THAT(listed, EndsWith("all"));
  EXPECT_THAT(get("/list?count=4").body, EndsWith("more"));
  ASSERT_EQ(daemon_->stop(), 0);
  std::filesystem::remove_all(daemon_->data() / "projection");
  auto started = Daemon::start(scratch_, {}, surroundings_);
  ASSERT_TRUE(started) << started.error().message();
  daemon_ = *std::move(started);
  EXPECT_EQ(get("/list?count=100").body, listed);
  EXPECT_EQ(get("/read?digest=" + gone).status, 404);
}

TEST_P(PluginBlobTest, what_another_tenant_keeps_answers_as_what_nobody_keeps) {
  const std::string beta = create_tenant(*daemon_, "beta");
  grant(beta, "beta", R"(["serve","blobs","webhooks"])");
  const auto of_beta = [&](const std::string& path) {
    return ask(*daemon_, beta, "GET", "/v1/tenants/beta/plugins/tracker/serve" + path);
  };
  const std::string digest = put(3, 70'000);
  const auto detail_of = [&](const std::string& named) {
    const Answer answer = of_beta("/read?digest=" + named);
    EXPECT_EQ(answer.status, 404);
    std::string detail = answer.text("detail");
    const std::size_t at = detail.find(named);
    return at == std::string::npos ? detail : detail.replace(at, named.size(), "it");
  };
  EXPECT_EQ(detail_of(digest), "plugin 'tracker' keeps no blob it in tenant 'beta'");
  EXPECT_EQ(detail_of(std::string(64, 'a')), detail_of(digest));
  EXPECT_EQ(of_beta("/erase?digest=" + digest).status, 200) << "as what is not there";
  EXPECT_EQ(of_beta("/list?count=10").body, "all");
  // The same bytes of two tenants: each has its own.
  ASSERT_EQ(of_beta("/put?seed=3&bytes=70000&name=b").body, digest);
  ASSERT_EQ(get("/erase?digest=" + digest).status, 200);
  EXPECT_EQ(get("/read?digest=" + digest).status, 404);
  EXPECT_TRUE(of_beta("/read?digest=" + digest).body == bytes_of(3, 70'000));
  // Nor does a sweep take what beta keeps.
  ASSERT_EQ(daemon_->stop(), 0);
  const auto day_ago = std::filesystem::file_time_type::clock::now() - std::chrono::hours(25);
  const auto stray = bytes_of(99, 5'000);
  const auto stray_file = file_of(digest_of(stray));
  std::filesystem::create_directories(stray_file.parent_path());
  std::ofstream(stray_file, std::ios::binary) << stray;
  std::filesystem::last_write_time(stray_file, day_ago);
  std::filesystem::last_write_time(file_of(digest), day_ago);
  auto started = Daemon::start(scratch_, {}, surroundings_);
  ASSERT_TRUE(started) << started.error().message();
  daemon_ = *std::move(started);
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(stray_file); })) << "stored and never recorded";
  EXPECT_TRUE(of_beta("/read?digest=" + digest).body == bytes_of(3, 70'000));
  ASSERT_EQ(of_beta("/erase?digest=" + digest).status, 200);
  ASSERT_EQ(daemon_->stop(), 0);
  std::filesystem::last_write_time(file_of(digest), day_ago);
  started = Daemon::start(scratch_, {}, surroundings_);
  ASSERT_TRUE(started) << started.error().message();
  daemon_ = *std::move(started);
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(file_of(digest)); })) << "the last that kept it";
}

TEST_P(PluginBlobTest, a_kill_while_blobs_are_written_leaves_whole_ones_alone) {
  std::vector<std::string> kept;
  for (int round = 0; round < 3; ++round) {
    kept.push_back(put(static_cast<std::uint64_t>(100 + round), 300'000));
    const std::filesystem::path unfinished = daemon_->data() / "blobs" / ".unfinished";
    const auto files = [&] { return std::distance(std::filesystem::directory_iterator(unfinished), {}); };
    const auto before = files();
    const auto held = begin("/hold?seed=1&bytes=2000000");
    ASSERT_TRUE(eventually([&] { return files() > before; }));
    const auto putting = begin(fmt::format("/put?seed={}&bytes=5000000", 500 + round));
    ASSERT_EQ(::kill(static_cast<pid_t>(daemon_->id()), SIGKILL), 0);
    EXPECT_TRUE(held->closes(20'000));
    static_cast<void>(daemon_->stop());
    auto started = Daemon::start(scratch_, {}, surroundings_);
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
  }
  std::string listed = get("/list?count=100").body;
  for (const std::string& digest : kept) EXPECT_THAT(listed, HasSubstr(digest));
  for (std::size_t at = 0; listed.substr(at) != "all"; at = listed.find('\n', at) + 1) {
    const std::string digest = listed.substr(at, 64);
    EXPECT_EQ(digest_of(get("/read?digest=" + digest).body), digest);
  }
  EXPECT_EQ(listed.find(digest_of(bytes_of(1, 2'000'000))), std::string::npos) << "it was never stored";
}

TEST_P(PluginBlobTest, a_limit_is_named_and_ends_its_own_request_alone) {
  EXPECT_EQ(get("/many?count=4").status, 200);
  EXPECT_THAT(get("/many?count=5").body, HasSubstr("at most 4"));
  EXPECT_THAT(get("/greedy").body, testing::AnyOf(HasSubstr("write one at a time"), digest_of("firstsecond")))
      << "never one without the other";
  EXPECT_THAT(get("/put?seed=1&bytes=104857601").body, HasSubstr("at most 104857600 are kept"));
  EXPECT_TRUE(eventually([&] { return std::filesystem::is_empty(daemon_->data() / "blobs" / ".unfinished"); }))
      << "what was given up is gone";
  EXPECT_THAT(get("/read?digest=ABC").body, HasSubstr("64 hexadecimal digits"));
  EXPECT_EQ(put(1, 1'000), digest_of(bytes_of(1, 1'000)));
}

TEST_P(PluginBlobTest, what_is_withdrawn_stops_at_once) {
  const std::string digest = put(1, 1'000);
  const Answer changed = ask(*daemon_, acme_, "POST", "/v1/tenants/acme/plugins/tracker/permissions",
                             R"({"withdraw":["blobs"]})", {{"Content-Type", "application/json"}});
  ASSERT_EQ(changed.status, 200) << changed.body;
  const Answer refused = get("/read?digest=" + digest);
  EXPECT_THAT(refused.body, AllOf(HasSubstr("may not use 'blobs'"), HasSubstr("trav plugin grant tracker blobs")));
  EXPECT_THAT(get("/put?seed=1&bytes=10").body, HasSubstr("may not use 'blobs'"));
}

TEST_P(PluginBlobTest, damage_on_the_disk_is_found_and_never_given_out) {
  const std::string digest = put(4, 600'000);
  restart();
  std::filesystem::permissions(file_of(digest), std::filesystem::perms::owner_all);
  std::fstream file(file_of(digest), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(599'999);
  file.put('\x7f');
  ASSERT_TRUE(file.flush().good());
  const Answer read = get("/entry?digest=" + digest);
  EXPECT_EQ(read.status, 200) << "what is known of it is in the log";
  EXPECT_EQ(get("/read?digest=" + digest).status, 503);
  EXPECT_EQ(put(4, 600'000), digest) << "a put mends it";
  EXPECT_TRUE(get("/read?digest=" + digest).body == bytes_of(4, 600'000));
}

TEST_P(PluginBlobTest, what_an_uninstalled_plugin_kept_is_erased) {
  put(1, 1'000);
  ASSERT_EQ(call("DELETE", "/tracker").status, 204);
  for (const char* version : {"1.2.3", "1.5.0", "2.0.0"}) {
    ASSERT_EQ(as_operator("DELETE", fmt::format("/v1/plugins/tracker/{}", version)).status, 204);
  }
  restart();
  EXPECT_TRUE(eventually([&] { return events().find("trv.plugin.blob_erased") != std::string::npos; }));
}

INSTANTIATE_TEST_SUITE_P(Isolated, PluginBlobTest, testing::Values(true));
INSTANTIATE_TEST_SUITE_P(InProcess, PluginBlobTest, testing::Values(false));

/// A program in Python, with the SDK in its package.
base::Bytes program_package() {
  constexpr std::string_view text = R"(
from travertine_plugin import Plugin, WebResponse
plugin = Plugin()

@plugin.serve
def serve(call):
    if call.request.path == "/put":
        blob = call.blobs.begin()
        for number in range(20):
            blob.write(bytes([number]) * 1_000_000)
        return blob.store(media_type="application/octet-stream", name="export.bin").digest
    digest = call.request.query
    def parts():
        offset, has_more = 0, True
        while has_more:
            part = call.blobs.read(digest, offset=offset)
            offset, has_more = offset + len(part.data), part.has_more
            yield part.data
    return WebResponse(parts=parts())

plugin.run()
)";
  std::vector<package::File> files;
  files.push_back({"program/main.py", base::to_bytes(text)});
  for (const auto& file :
       std::filesystem::directory_iterator(std::filesystem::path(TRV_SOURCE_DIR) / "sdk/python/travertine_plugin")) {
    if (file.path().extension() != ".py") continue;
    const auto bytes = base::read_file(file.path(), 1'000'000);
    EXPECT_TRUE(bytes);
    files.push_back({"program/travertine_plugin/" + file.path().filename().string(), *bytes});
  }
  auto packed = package::assemble(
      R"({"manifest":1,"id":"archive","version":"1.0.0","title":"T","summary":"S","license":"Apache-2.0",)"
      R"("abi":{"major":1,"minor":0},"isolation":"sandboxed","runtime":"process","permissions":["serve","blobs"],)"
      R"("program":{"interpreter":"python3","file":"program/main.py"},"operations":[]})",
      std::move(files));
  EXPECT_TRUE(packed) << packed.error().message();
  return packed ? *std::move(packed) : base::Bytes();
}

using PluginBlobProgramTest = PluginFixture;

TEST_F(PluginBlobProgramTest, a_program_keeps_twenty_megabytes) {
  const Answer installed = install(program_package());
  ASSERT_EQ(installed.status, 201) << installed.body;
  const Answer enabled = call("PUT", "/archive", R"({"version":"1.0.0","permissions":["serve","blobs"]})");
  ASSERT_EQ(enabled.status, 200) << enabled.body;
  std::string expected;
  for (int i = 0; i < 20; ++i) expected += std::string(1'000'000, static_cast<char>(i));
  const Answer put = call("GET", "/archive/serve/put");
  ASSERT_EQ(put.status, 200) << put.body;
  EXPECT_EQ(put.body, digest_of(expected));
  EXPECT_TRUE(call("GET", "/archive/serve/read?" + put.body).body == expected);
  // Another plugin of the tenant does not have it.
  ASSERT_EQ(
      install(tracker_package("blobs", 1, std::string::npos, "1.5.0", R"("permissions":["serve","blobs","webhooks"],)"))
          .status,
      201);
  ASSERT_EQ(call("PUT", "/tracker", R"({"version":"1.5.0","permissions":["serve","blobs","webhooks"]})").status, 200);
  EXPECT_EQ(call("GET", "/tracker/serve/read?digest=" + put.body).status, 404);
}

TEST(PluginBlobFullDisk, is_an_error_that_says_so_and_leaves_nothing) {
  const ScratchFolder scratch;
  const auto started =
      Daemon::start(scratch, {}, {.variables = {{"TRAV_PLUGINS_IN_PROCESS", "tracker"}}, .limits = "-Sf 8192"});
  ASSERT_TRUE(started) << started.error().message();
  const Daemon& daemon = **started;
  const std::string acme = create_tenant(daemon, "acme");
  const base::Bytes package =
      tracker_package("blobs", 1, std::string::npos, "1.5.0", R"("permissions":["serve","blobs","webhooks"],)");
  const Answer installed =
      ask(daemon, daemon.operator_token(), "POST", "/v1/plugins", std::string(package.begin(), package.end()),
          {{"Content-Type", "application/octet-stream"}});
  if (installed.text("detail").find("plugins cannot be isolated") != std::string::npos) {
    GTEST_SKIP() << installed.text("detail");
  }
  ASSERT_EQ(installed.status, 201) << installed.body;
  ASSERT_EQ(
      ask(daemon, acme, "PUT", "/v1/tenants/acme/plugins/tracker",
          R"({"version":"1.5.0","permissions":["serve","blobs","webhooks"]})", {{"Content-Type", "application/json"}})
          .status,
      200);
  const auto put = [&](std::uint64_t bytes) {
    return ask(daemon, acme, "GET", fmt::format("/v1/tenants/acme/plugins/tracker/serve/put?seed=1&bytes={}", bytes));
  };
  const Answer refused = put(bytes_20_mb);  // a file has at most 8 MiB here
  EXPECT_NE(refused.status, 200);
  EXPECT_THAT(refused.body, HasSubstr("blob"));
  EXPECT_EQ(refused.body.find(daemon.data().string()), std::string::npos) << refused.body;
  EXPECT_TRUE(eventually([&] { return std::filesystem::is_empty(daemon.data() / "blobs" / ".unfinished"); }));
  EXPECT_EQ(put(1'000'000).status, 200);
}

}  // namespace
}  // namespace trv::api
