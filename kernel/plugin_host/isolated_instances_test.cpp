// What a hostile plugin can do: end its own calls, and nothing else.

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "kernel/plugin_host/testing/isolated_fixture.hpp"

namespace trv::plugin_host {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr std::array attacks = {
    "echo",    "crash",  "segfault", "exit",    "loop",        "spin-aside",   "crash-at-the-end", "memory",
    "threads", "files",  "fork",     "exec",    "code",        "open",         "open-shown",       "write-file",
    "connect", "ptrace", "kill-all", "mount",   "read-daemon", "namespace",    "library",          "environment",
    "garbage", "close",  "log",      "unknown", "many-files",  "answer-others"};

class HostilePluginTest : public IsolatedFixture {
 protected:
  void SetUp() override {
    limits_.hangs_after = 2s;
    limits_.cancel_grace = 1s;
    IsolatedFixture::SetUp();
    if (IsSkipped()) return;
    const base::Status loaded = load(hostile("hostile").package_digest);
    ASSERT_TRUE(loaded) << loaded.error().message();
  }
  Stored hostile(const std::string& library) {
    return install(package_of(library, "", 1, "linux-x86_64", "sandboxed", attacks));
  }
  /// The processes of isolation that `parent` is the parent of.
  static std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> children;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::ifstream file(entry.path() / "stat");
      pid_t number = 0;
      std::string name;
      std::string state;
      pid_t its_parent = 0;
      if (file >> number >> name >> state >> its_parent && name == "(trav-plugin-hos)" && its_parent == parent &&
          state != "Z") {
        children.push_back(number);
      }
    }
    return children;
  }
  static void kill_zygote() {
    for (const pid_t zygote : children_of(::getpid())) ::kill(zygote, SIGKILL);
  }
  /// The processes that have loaded a library, in the order in which they were made.
  static std::vector<pid_t> with_code() {
    std::vector<pid_t> found;
    for (const pid_t zygote : children_of(::getpid())) {
      for (const pid_t child : children_of(zygote)) {
        std::ifstream maps("/proc/" + std::to_string(child) + "/maps");
        std::string line;
        bool has_code = false;
        while (std::getline(maps, line)) has_code = has_code || line.ends_with("/plugin.so");
        if (has_code) found.push_back(child);
      }
    }
    std::ranges::sort(found);
    return found;
  }
  CallOutcome attack(const std::string& operation, const std::string& tenant = "acme") {
    OperationCall request = call(operation, "{}", 20'000);
    request.tenant = TenantId(tenant);
    return run(std::move(request));
  }
  std::string answer_to(const std::string& operation) {
    const CallOutcome outcome = attack(operation);
    return outcome ? *outcome : "error: " + outcome.error().message;
  }
};

TEST_F(HostilePluginTest, a_crash_ends_its_own_calls_and_the_next_call_finds_another_process) {
  EXPECT_EQ(answer_to("echo"), "\"here\"");
  for (const auto& [operation, how] : {std::pair("crash", "Aborted"), std::pair("segfault", "Segmentation fault")}) {
    const CallOutcome outcome = attack(operation);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
    EXPECT_FALSE(outcome.error().may_retry) << "what it did before is not known";
    EXPECT_THAT(outcome.error().message, AllOf(HasSubstr("plugin 'tracker' 1.2.3"), HasSubstr(how)));
    EXPECT_TRUE(eventually([this] { return attack("echo").has_value(); })) << operation;
  }
  ASSERT_EQ(crashes().size(), 2U);
  EXPECT_FALSE(crashes()[0].quarantined);
  EXPECT_EQ(crashes()[0].tenant, TenantId("acme"));
}

TEST_F(HostilePluginTest, a_tenants_crash_is_not_another_tenants) {
  auto waits = invoke([this] {
    OperationCall request = call("unknown", "{}", 20'000);
    request.tenant = TenantId("other");
    return request;
  }());
  EXPECT_FALSE(attack("crash"));
  EXPECT_EQ(attack("echo", "other").value_or("no"), "\"here\"");
  EXPECT_EQ(waits.wait_for(0s), std::future_status::timeout);
}

TEST_F(HostilePluginTest, after_three_crashes_a_tenants_calls_are_refused_until_they_are_released) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(eventually([this] { return attack("echo").has_value(); }));
    EXPECT_FALSE(attack("exit"));
  }
  const CallOutcome refused = attack("echo");
  ASSERT_FALSE(refused);
  EXPECT_FALSE(refused.error().may_retry);
  EXPECT_THAT(refused.error().message, AllOf(HasSubstr("quarantine"), HasSubstr("'acme'"), HasSubstr("3 crashes")));
  EXPECT_TRUE(crashes().at(2).quarantined);
  EXPECT_EQ(attack("echo", "other").value_or("no"), "\"here\"");
  EXPECT_TRUE(host_->release("tracker", TenantId("acme")));
  EXPECT_EQ(answer_to("echo"), "\"here\"");
  EXPECT_FALSE(host_->release("tracker", TenantId("acme")));
}

TEST_F(HostilePluginTest, a_loop_is_killed_when_its_process_does_not_react) {
  const auto start = std::chrono::steady_clock::now();
  const CallOutcome outcome = attack("loop");
  ASSERT_FALSE(outcome);
  EXPECT_THAT(outcome.error().message, HasSubstr("it did not react for 2 s"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 15s);
  EXPECT_TRUE(eventually([this] { return attack("echo").has_value(); }));
}

TEST_F(HostilePluginTest, a_call_that_does_not_end_at_its_cancel_ends_its_process) {
  EXPECT_EQ(run(call("unknown", "{}", 100)).error().code, ErrorCode::timeout);
  for (int i = 0; i < 1'000 && crashes().empty(); ++i) std::this_thread::sleep_for(20ms);
  ASSERT_EQ(crashes().size(), 1U);
  EXPECT_THAT(crashes()[0].why, HasSubstr("within 1 s of its cancel"));
}

TEST_F(HostilePluginTest, nothing_of_the_host_can_be_reached) {
  EXPECT_EQ(answer_to("environment"), "\"none\"");
  for (const char* operation : {"open", "open-shown", "write-file", "code"}) {
    EXPECT_EQ(answer_to(operation), "\"Permission denied\"") << operation;
  }
  for (const char* operation : {"connect", "fork", "exec", "ptrace", "read-daemon", "mount", "namespace"}) {
    EXPECT_EQ(answer_to(operation), "\"Operation not permitted\"") << operation;
  }
  // Its process namespace holds nobody else.
  EXPECT_EQ(answer_to("kill-all"), "\"No such process\"");
  EXPECT_EQ(answer_to("library"), "\"refused\"");
  EXPECT_TRUE(crashes().empty());
}

TEST_F(HostilePluginTest, what_it_takes_is_bounded) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer keeps a shadow of all memory, so that this build does not bound it";
#endif
  EXPECT_THAT(answer_to("memory"), HasSubstr(" MiB"));
  EXPECT_TRUE(eventually([this] { return attack("echo").has_value(); }));
  EXPECT_EQ(answer_to("files"), "\"bounded\"");
  EXPECT_EQ(answer_to("threads"), "\"bounded\"");
}

class BoundedTenantTest : public HostilePluginTest {
 protected:
  void SetUp() override {
    auto groups = sandbox::ControlGroups::open({.memory_bytes = std::uint64_t{96} << 20, .cpu_percent = 10},
                                               [](const std::string& problem) { ADD_FAILURE() << problem; });
    if (!groups) GTEST_SKIP() << groups.error().message();
    if ((*groups)->description().find("memory, cpu") == std::string::npos) {
      GTEST_SKIP() << "this host bounds only " << (*groups)->description();
    }
    groups_ = *std::move(groups);
    HostilePluginTest::SetUp();
  }
  /// The process has joined its group: it is not there at once.
  static std::filesystem::path group_of(const std::string& controller) {
    std::ifstream file("/proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
      const std::size_t name = line.find(":" + controller + ":");
      if (name == std::string::npos) continue;
      return "/sys/fs/cgroup/" + controller + line.substr(name + controller.size() + 2) + "/travd-" +
             std::to_string(::getpid());
    }
    return {};
  }
  static std::string text_of(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

TEST_F(BoundedTenantTest, a_tenants_processes_share_a_bound_of_memory) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer keeps a shadow of all memory";
#endif
  EXPECT_EQ(answer_to("echo"), "\"here\"");
  ASSERT_TRUE(eventually([] { return !text_of(group_of("memory") / "acme/cgroup.procs").empty(); }));
  EXPECT_THAT(answer_to("memory"), HasSubstr("plugins.tenant_memory_mib"));
  EXPECT_TRUE(eventually([this] { return attack("echo").has_value(); }));
}

TEST_F(BoundedTenantTest, a_tenants_processes_share_a_part_of_a_processor) {
  EXPECT_EQ(answer_to("spin-aside"), "\"spinning\"");
  EXPECT_TRUE(eventually([] {
    std::ifstream file(group_of("cpu") / "acme/cpu.stat");
    std::string name;
    for (long value = 0; file >> name >> value;) {
      if (name == "nr_throttled") return value > 0;
    }
    return false;
  }));
}

TEST_F(HostilePluginTest, what_is_not_a_frame_ends_the_process_that_sent_it) {
  EXPECT_THAT(answer_to("garbage"), HasSubstr("not a frame"));
  EXPECT_TRUE(eventually([this] { return attack("echo").has_value(); }));
  EXPECT_THAT(answer_to("many-files"), HasSubstr("not a frame"));
  EXPECT_EQ(attack("close", "other").error().code, ErrorCode::unavailable);
}

TEST_F(HostilePluginTest, its_log_is_bounded_and_says_so) {
  EXPECT_EQ(answer_to("log"), "1");
  const auto dropped = [this] {
    const std::lock_guard lock(log_mutex_);
    return std::ranges::any_of(log_, [](const std::string& line) {
      return line.find("were dropped") != line.npos && line.find("not read on") != line.npos;
    });
  };
  EXPECT_TRUE(eventually(dropped) || eventually(dropped));
  const std::lock_guard lock(log_mutex_);
  EXPECT_LT(log_.size(), 100U) << "its lines have 4,000 bytes, and a second 65,536";
}

TEST_F(HostilePluginTest, an_answer_to_somebody_elses_call_finds_nothing) {
  OperationCall request = call("unknown", "{}", 20'000);
  request.tenant = TenantId("other");
  auto waits = invoke(std::move(request));
  EXPECT_TRUE(attack("answer-others")) << "its own it may answer as it likes";
  EXPECT_EQ(waits.wait_for(100ms), std::future_status::timeout);
}

TEST_F(HostilePluginTest, a_crash_at_the_end_is_nobodys) {
  EXPECT_EQ(answer_to("crash-at-the-end"), "1");
  EXPECT_TRUE(host_->unload("tracker", "1.2.3", 1s));
  EXPECT_TRUE(crashes().empty());
}

TEST_F(HostilePluginTest, code_that_runs_while_the_library_is_loaded_is_behind_the_walls) {
  ASSERT_TRUE(host_->unload("tracker", "1.2.3", 1s));
  for (const auto& [library, why] :
       {std::pair("hostile_crash", "it crashed (Aborted)"), std::pair("hostile_exit", "it ended by itself")}) {
    const base::Status loaded = load(hostile(library).package_digest);
    ASSERT_FALSE(loaded) << library;
    EXPECT_EQ(loaded.error().code(), ErrorCode::invalid);
    EXPECT_THAT(loaded.error().message(), AllOf(HasSubstr("'tracker' 1.2.3 does not start"), HasSubstr(why)));
  }
}

TEST_F(HostilePluginTest, others_are_answered_while_one_spins) {
  EXPECT_EQ(attack("echo", "other").value_or("no"), "\"here\"");
  EXPECT_EQ(answer_to("spin-aside"), "\"spinning\"");
  for (int i = 0; i < 100; ++i) {
    const auto start = std::chrono::steady_clock::now();
    ASSERT_TRUE(attack("echo", "other"));
    EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  }
}

TEST_F(HostilePluginTest, a_process_that_has_nothing_to_do_ends_and_another_begins_with_the_next_call) {
  host_.reset();
  limits_.idle_after = 0s;
  HostConfiguration configuration;
  prepare(configuration);
  host_ = *PluginHost::start(std::move(configuration), *store_, *broker_, clock_, {});
  ASSERT_TRUE(load(hostile("hostile").package_digest));
  EXPECT_EQ(answer_to("echo"), "\"here\"");
  for (int i = 0; i < 1'000 && isolation_->processes() > 0; ++i) std::this_thread::sleep_for(20ms);
  EXPECT_EQ(isolation_->processes(), 0U);
  EXPECT_EQ(answer_to("echo"), "\"here\"");
  EXPECT_TRUE(crashes().empty());
}

TEST_F(HostilePluginTest, a_tenants_first_call_takes_the_process_that_is_ready_with_the_code) {
  EXPECT_EQ(isolation_->ready_processes(), 0U) << "nobody used the package yet";
  EXPECT_EQ(attack("echo", "acme").value_or("no"), "\"here\"");
  ASSERT_TRUE(eventually([this] { return isolation_->processes() == 1; })) << "the trial has ended";
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(eventually([this] { return isolation_->ready_processes() == 1; })) << i;
    const std::size_t before = isolation_->processes();
    EXPECT_EQ(attack("echo", "tenant-" + std::to_string(i)).value_or("no"), "\"here\"");
    EXPECT_EQ(isolation_->processes(), before + 1);
  }
  ASSERT_TRUE(eventually([this] { return isolation_->ready_processes() == 1; }));
  EXPECT_TRUE(host_->retire("tracker", "1.2.3"));
  EXPECT_TRUE(eventually([this] { return isolation_->ready_processes() == 0; }));
  EXPECT_TRUE(crashes().empty());
}

TEST_F(HostilePluginTest, a_process_that_is_ready_and_ends_is_nobodys_crash) {
  EXPECT_EQ(attack("echo", "acme").value_or("no"), "\"here\"");
  ASSERT_TRUE(eventually([this] { return isolation_->processes() == 1; })) << "the trial has ended";
  ASSERT_TRUE(eventually([] { return with_code().size() == 2; })) << "one is ready";
  ::kill(with_code().back(), SIGKILL);
  EXPECT_TRUE(eventually([this] { return isolation_->ready_processes() == 0; }));
  EXPECT_EQ(attack("echo", "other").value_or("no"), "\"here\"");
  EXPECT_TRUE(eventually([this] { return isolation_->ready_processes() == 1; })) << "the next use makes another one";
  EXPECT_TRUE(crashes().empty());
}

TEST_F(HostilePluginTest, a_zygote_that_ends_is_started_anew_and_no_plugin_is_blamed) {
  EXPECT_EQ(answer_to("echo"), "\"here\"");
  for (int i = 0; i < 4; ++i) {
    kill_zygote();
    EXPECT_TRUE(eventually([this] { return attack("echo").has_value(); })) << answer_to("echo");
  }
  EXPECT_TRUE(crashes().empty());
}

TEST_F(HostilePluginTest, no_process_is_left_when_the_host_ends) {
  EXPECT_EQ(answer_to("echo"), "\"here\"");
  EXPECT_TRUE(eventually([this] { return isolation_->processes() == 1; })) << "the trial has ended";
  host_.reset();
  for (int i = 0; i < 1'000 && isolation_->processes() > 0; ++i) std::this_thread::sleep_for(20ms);
  EXPECT_EQ(isolation_->processes(), 0U);
}

}  // namespace
}  // namespace trv::plugin_host
