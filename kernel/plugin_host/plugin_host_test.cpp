#include "kernel/plugin_host/plugin_host.hpp"

#include <atomic>
#include <thread>

#include "kernel/http/testing/loopback_server.hpp"
#include "kernel/plugin_host/testing/plugin_host_fixture.hpp"

namespace trv::plugin_host {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

// ---- store

TEST_F(PluginHostTest, a_package_is_opened_by_its_digest_and_its_library_is_written_once) {
  const base::Bytes bytes = package_of("good");
  const Stored first = install(bytes);
  EXPECT_EQ(first.package_digest, base::sha256(bytes));
  EXPECT_EQ(first.package_bytes, bytes.size());
  EXPECT_EQ(first.manifest.id, "tracker");
  EXPECT_FALSE(std::filesystem::exists(first.library)) << "nothing is unpacked before the follower asks";
  const auto opened = store_->open(first.package_digest);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->library, first.library);
  EXPECT_EQ(opened->library_digest, base::sha256(*base::read_file(first.library, 64'000'000)));
  EXPECT_EQ(static_cast<int>(std::filesystem::status(first.library).permissions()), 0444);
  const auto written = std::filesystem::last_write_time(first.library);
  EXPECT_EQ(install(bytes).library, first.library);
  ASSERT_TRUE(store_->open(first.package_digest));
  EXPECT_EQ(std::filesystem::last_write_time(first.library), written);
  EXPECT_EQ(store_->open(base::Digest{}).error().code(), ErrorCode::not_found);
}

TEST_F(PluginHostTest, a_library_that_changed_on_disk_comes_back_from_its_archive) {
  const Stored stored = install(package_of("good"));
  ASSERT_TRUE(store_->open(stored.package_digest));
  flip_byte(stored.library);
  ASSERT_NE(base::sha256(*base::read_file(stored.library, 64'000'000)), stored.library_digest);
  ASSERT_TRUE(store_->open(stored.package_digest));
  EXPECT_EQ(base::sha256(*base::read_file(stored.library, 64'000'000)), stored.library_digest);
  std::filesystem::remove_all(stored.library.parent_path());
  EXPECT_TRUE(load(stored.package_digest));
}

TEST_F(PluginHostTest, an_archive_that_is_missing_is_an_error_and_put_repairs_it) {
  const base::Bytes bytes = package_of("good");
  const Stored stored = install(bytes);
  ASSERT_TRUE(store_->open(stored.package_digest));
  ASSERT_TRUE(archives_.remove(stored.package_digest));
  const base::Status missing = load(stored.package_digest);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::not_found);
  EXPECT_THAT(missing.error().message(), HasSubstr("is missing; install it again"));
  install(bytes);
  EXPECT_TRUE(load(stored.package_digest));
}

TEST_F(PluginHostTest, hostile_packages_leave_nothing_behind) {
  base::Bytes cut = package_of("good");
  cut.resize(cut.size() / 2);
  base::Bytes flipped = package_of("good");
  flipped[flipped.size() / 2] ^= 1;
  const std::string bad_jq = R"(,"webhooks":[{"name":"w","title":"T","verification":{"scheme":"none"},)"
                             R"("event":{"type":".a |","source":"\"s\""}}])";
  for (const base::Bytes& bytes :
       {base::Bytes{}, base::to_bytes("not an archive"), cut, flipped, package_of("good", bad_jq),
        package_of("good", "", 2), package_of("good", "", 1, "linux-aarch64")}) {
    EXPECT_FALSE(store_->put(bytes));
  }
  EXPECT_TRUE(archives_.list(std::nullopt, 10)->empty());
}

TEST_F(PluginHostTest, a_plugin_that_asks_for_a_sandbox_does_not_run_without_one) {
  const Stored stored = install(package_of("good", "", 1, "linux-x86_64", "sandboxed"));
  const base::Status refused = load(stored.package_digest);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::invalid);
  EXPECT_THAT(refused.error().message(), AllOf(HasSubstr("'tracker' 1.2.3"), HasSubstr("sandboxed")));
}

TEST_F(PluginHostTest, a_sweep_removes_what_is_neither_named_nor_held) {
  const Stored named = install(package_of("good"));
  const Stored gone = install(package_of("other_id"));
  const auto held = store_->put(package_of("no_entry"));
  ASSERT_TRUE(held);
  for (const base::Digest& digest : {named.package_digest, gone.package_digest, (*held)->package_digest}) {
    ASSERT_TRUE(store_->open(digest));
  }
  std::filesystem::create_directories(folder_ / "store" / "left behind");
  EXPECT_TRUE(store_->sweep([&] { return std::set{named.package_digest}; }).value());
  EXPECT_TRUE(std::filesystem::exists(named.library));
  EXPECT_TRUE(std::filesystem::exists((*held)->library));
  EXPECT_FALSE(std::filesystem::exists(gone.library.parent_path()));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "store" / "left behind"));
  EXPECT_EQ(store_->open(gone.package_digest).error().code(), ErrorCode::not_found);
  EXPECT_TRUE(store_->open((*held)->package_digest));
  // A projection that cannot be read names nothing; that is not a reason to remove.
  EXPECT_FALSE(store_->sweep(
      [] -> base::Result<std::set<base::Digest>> { return base::fail(ErrorCode::unavailable, "no projection"); }));
  EXPECT_TRUE(store_->open(named.package_digest));
}

TEST_F(PluginHostTest, a_package_that_does_not_run_says_why_until_it_does) {
  const Stored stored = install(package_of("good"));
  host_->note_failure("tracker", "1.2.3", "its package is missing");
  const CallOutcome refused = run(call("echo"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::not_found);
  EXPECT_EQ(refused.error().message, "plugin 'tracker' 1.2.3 is not loaded: its package is missing");
  EXPECT_FALSE(host_->runs(stored.package_digest));
  ASSERT_TRUE(load(stored.package_digest));
  EXPECT_TRUE(host_->runs(stored.package_digest));
  EXPECT_EQ(host_->failure("tracker", "1.2.3"), std::nullopt);
  EXPECT_TRUE(run(call("echo")));
}

// ---- in this process

TEST_F(PluginHostTest, loading_twice_is_one_plugin_and_another_package_of_that_version_is_a_conflict) {
  load_good();
  load_good();
  EXPECT_EQ(host_->metrics().size(), 1U);
  EXPECT_EQ((*host_->manifest("tracker", "1.2.3"))->operations.size(), operation_names.size());
  const Stored other = install(package_of("good", R"(,"webhooks":[])"));
  EXPECT_EQ(load(other.package_digest).error().code(), ErrorCode::conflict);
  EXPECT_TRUE(host_->manifest("tracker", "1.2.3"));
  EXPECT_EQ(host_->webhook("tracker", "1.2.3", "x").error().code(), ErrorCode::not_found);
}

TEST_F(PluginHostTest, a_plugin_that_hangs_at_the_end_is_given_up_and_may_wake_later) {
  load_good();
  std::promise<ErrorCode> code;
  std::jthread hung([&] {
    static_cast<void>(host_->invoke(call("hang-long"), [&](const CallOutcome& outcome) {
      code.set_value(outcome ? ErrorCode::internal : outcome.error().code);
    }));
  });
  ASSERT_TRUE(eventually([this] { return metrics().in_flight == 1; }));
  const base::Status stopped = host_->unload("tracker", "1.2.3", 10ms);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), ErrorCode::timeout);
  EXPECT_EQ(code.get_future().get(), ErrorCode::cancelled);
  // The plugin wakes up inside here, calls the host that gave it up, and nothing happens.
  hung.join();
  EXPECT_EQ(broker_->metrics().in_flight, 0U);
}

TEST_F(PluginHostTest, a_hang_does_not_hold_the_caller_where_the_fast_path_is_off) {
  auto host = PluginHost::start({.worker_threads = 1, .run_on_caller = false}, *store_, *broker_, clock_, {});
  ASSERT_TRUE(host);
  host_ = *std::move(host);
  load_good();
  const auto start = std::chrono::steady_clock::now();
  auto hang = invoke(call("hang", "{}", 20));
  auto echo = invoke(call("echo", "4"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 900ms);
  EXPECT_EQ(hang.get().error().code, ErrorCode::timeout);
  EXPECT_EQ(echo.get().value(), "4");
}

}  // namespace
}  // namespace trv::plugin_host
