// Version 2 on a tree of files laid out as a service with Delegate=yes finds it; version 1 there and, where this host
// has it and allows it, for real.

#include "kernel/sandbox/control_groups.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "sdk/base/scratch_folder.hpp"

namespace trv::sandbox {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A process that does nothing until it is killed.
class Sleeper {
 public:
  Sleeper() : pid_(::fork()) {
    if (pid_ == 0) {
      ::pause();
      ::_exit(0);
    }
    process_ = base::OpenFile(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  }
  ~Sleeper() { end(); }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const base::OpenFile& process() const { return process_; }

 private:
  pid_t pid_;
  base::OpenFile process_;
};

class ControlGroupsTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_.path() / "proc/self");
    fs::create_directories(folder_.path() / "sys/fs/cgroup");
  }
  void file(const std::string& path, const std::string& text) const {
    fs::create_directories((folder_.path() / path).parent_path());
    std::ofstream(folder_.path() / path) << text;
  }
  void version_2(const std::string& controllers) const {
    file("proc/self/mountinfo",
         "22 1 0:20 / /proc rw - proc proc rw\n"
         "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
    file("proc/self/cgroup", "0::/system.slice/travd.service\n");
    file("sys/fs/cgroup/system.slice/travd.service/cgroup.controllers", controllers + "\n");
  }
  void version_1() const {
    file("proc/self/mountinfo",
         "31 22 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
         "32 22 0:28 /box /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n");
    file("proc/self/cgroup", "5:memory:/here\n4:cpu,cpuacct:/box/there\n0::/\n");
    fs::create_directories(folder_.path() / "sys/fs/cgroup/memory/here");
    fs::create_directories(folder_.path() / "sys/fs/cgroup/cpu,cpuacct/there");
  }
  [[nodiscard]] std::unique_ptr<ControlGroups> open() {
    auto groups = ControlGroups::open({.memory_bytes = 1 << 28, .cpu_percent = 150, .threads = 77},
                                      [this](const std::string& problem) { problems_.push_back(problem); },
                                      {.root = folder_.path()});
    EXPECT_TRUE(groups) << groups.error().message();
    return groups ? *std::move(groups) : nullptr;
  }
  [[nodiscard]] std::string why_none() const {
    const auto groups = ControlGroups::open({}, [](const std::string&) {}, {.root = folder_.path()});
    return groups ? "there are groups" : groups.error().message();
  }
  [[nodiscard]] static std::string own() { return "travd-" + std::to_string(::getpid()); }

  const base::ScratchFolder folder_ = *base::ScratchFolder::make("control_groups_test", fs::temp_directory_path());
  std::vector<std::string> problems_;
};

TEST_F(ControlGroupsTest, a_delegated_group_of_version_2_bounds_a_tenants_processes_together) {
  version_2("cpuset cpu io memory pids");
  const fs::path service = folder_.path() / "sys/fs/cgroup/system.slice/travd.service";
  const Sleeper sleeper;
  const auto groups = open();
  ASSERT_NE(groups, nullptr);
  EXPECT_EQ(groups->description(), "memory, cpu, pids (cgroup v2)");
  EXPECT_EQ(text_of(service / "travd/cgroup.procs"), "0") << "travd itself has to leave the group that is divided";
  EXPECT_EQ(text_of(service / "cgroup.subtree_control"), "+memory +cpu +pids");
  EXPECT_EQ(text_of(service / own() / "cgroup.subtree_control"), "+memory +cpu +pids");
  groups->put("acme", sleeper.pid(), sleeper.process());
  groups->settle();
  EXPECT_EQ(text_of(service / own() / "acme/cgroup.procs"), std::to_string(sleeper.pid()));
  EXPECT_EQ(text_of(service / own() / "acme/memory.max"), "268435456");
  EXPECT_EQ(text_of(service / own() / "acme/cpu.max"), "150000 100000");
  EXPECT_EQ(text_of(service / own() / "acme/pids.max"), "77");
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(ControlGroupsTest, a_group_that_is_not_delegated_is_said) {
  version_2("cpu io");
  EXPECT_THAT(why_none(),
              AllOf(HasSubstr("'memory'"), HasSubstr("Delegate=yes"), HasSubstr("cgroup v1 is not mounted")));
}

TEST_F(ControlGroupsTest, version_1_has_a_group_for_each_controller) {
  version_1();
  const Sleeper sleeper;
  const auto groups = open();
  ASSERT_NE(groups, nullptr);
  EXPECT_EQ(groups->description(), "memory, cpu (cgroup v1)");
  groups->put("acme", sleeper.pid(), sleeper.process());
  groups->settle();
  const fs::path mounts = folder_.path() / "sys/fs/cgroup";
  EXPECT_EQ(text_of(mounts / "memory/here" / own() / "acme/memory.limit_in_bytes"), "268435456");
  EXPECT_EQ(text_of(mounts / "cpu,cpuacct/there" / own() / "acme/cpu.cfs_quota_us"), "150000");
  EXPECT_EQ(text_of(mounts / "cpu,cpuacct/there" / own() / "acme/cgroup.procs"), std::to_string(sleeper.pid()));
}

TEST_F(ControlGroupsTest, a_process_that_has_ended_is_not_looked_for) {
  version_1();
  Sleeper sleeper;
  const auto groups = open();
  ASSERT_NE(groups, nullptr);
  const pid_t pid = sleeper.pid();
  sleeper.end();
  groups->put("acme", pid, sleeper.process());
  groups->settle();
  EXPECT_FALSE(fs::exists(folder_.path() / "sys/fs/cgroup/memory/here" / own() / "acme/cgroup.procs"));
}

TEST_F(ControlGroupsTest, a_host_without_groups_says_so) {
  EXPECT_EQ(why_none(), "cgroup v2 is not mounted; cgroup v1 is not mounted");
}

TEST(ControlGroupsOfThisHostTest, a_process_is_moved_bounded_and_its_group_removed) {
  std::vector<std::string> problems;
  Sleeper sleeper;
  std::string in_group;
  {
    auto groups = ControlGroups::open({.memory_bytes = 1 << 26},
                                      [&](const std::string& problem) { problems.push_back(problem); });
    if (!groups) GTEST_SKIP() << groups.error().message();
    (*groups)->put("acme", sleeper.pid(), sleeper.process());
    (*groups)->settle();
    in_group = text_of("/proc/" + std::to_string(sleeper.pid()) + "/cgroup");
    EXPECT_THAT(in_group, HasSubstr("travd-" + std::to_string(::getpid()) + "/acme"));
    sleeper.end();
    (*groups)->left("acme", sleeper.process());
  }
  EXPECT_THAT(problems, IsEmpty());
  for (const char* mount : {"/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpu"}) {
    EXPECT_FALSE(fs::exists(fs::path(mount) / ("travd-" + std::to_string(::getpid()))));
  }
}

}  // namespace
}  // namespace trv::sandbox
