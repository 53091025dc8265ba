#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "kernel/sandbox/run.hpp"

namespace trv::sandbox {
namespace {

using namespace std::chrono_literals;
using base::ErrorCode;
using testing::HasSubstr;

Job shell(std::string script, std::vector<std::string> arguments = {}) {
  Job job;
  job.interpreter = "/bin/sh";
  job.script_name = "script.sh";
  job.script = std::move(script);
  job.arguments = std::move(arguments);
  return job;
}

base::Result<Ended> run_job(const Job& job, std::string_view input = "", Patience patience = {}) {
  return run(TRV_PLUGIN_HOST, job, input, patience, {});
}

class SandboxTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto tried = run_job(shell("exit 0"));
    if (!tried && tried.error().message().find("allows no namespaces") != std::string::npos) {
      GTEST_SKIP() << tried.error().message();
    }
  }
  static std::string output_of(std::string script) {
    const auto ended = run_job(shell(std::move(script)));
    if (!ended) return "error: " + ended.error().message();
    return ended->output + ended->errors;
  }
};

TEST(Job, is_read_as_it_was_written_and_nothing_else_is) {
  Job job = shell("echo 'ä'\n", {"one", "", "three words here"});
  job.environment = {"A=1", "B="};
  job.limits = {.memory_bytes = 1, .files_bytes = 2, .processes = 3, .open_files = 4, .cpu_seconds = 5};
  const std::string bytes = encode(job);
  const auto again = decode(bytes);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(encode(*again), bytes);
  EXPECT_EQ(again->arguments, job.arguments);
  EXPECT_EQ(again->environment, job.environment);
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode(bytes.substr(0, size))) << size;
  EXPECT_FALSE(decode(bytes + "x"));
  EXPECT_FALSE(
      decode(std::string("/bin/sh\0s\0\0"
                         "99999999999\0",
                         24)));
}

TEST(Job, a_zero_byte_is_refused) {
  const auto ended = run_job(shell(std::string("echo a\0b", 8)));
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code(), ErrorCode::invalid);
  EXPECT_THAT(ended.error().message(), HasSubstr("zero byte"));
}

TEST_F(SandboxTest, a_script_gets_its_input_arguments_and_environment) {
  Job job = shell("read line; echo \"$line|$1|$2|$NAME\"; echo oops >&2; exit 3", {"first", "second one"});
  job.environment = {"NAME=ada"};
  const auto ended = run_job(job, "hello\n");
  ASSERT_TRUE(ended) << ended.error().message();
  EXPECT_EQ(ended->output, "hello|first|second one|ada\n");
  EXPECT_EQ(ended->errors, "oops\n");
  EXPECT_EQ(ended->exit_code, 3);
  EXPECT_EQ(ended->signal, 0);
}

TEST_F(SandboxTest, an_interpreter_that_is_not_there_is_named) {
  Job job = shell("");
  job.interpreter = "/usr/bin/no-such-interpreter";
  const auto ended = run_job(job);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(ended.error().message(), HasSubstr("/usr/bin/no-such-interpreter: No such file"));
}

TEST_F(SandboxTest, the_environment_cannot_reach_what_makes_the_sandbox) {
  Job job = shell("echo ran");
  job.environment = {"LD_PRELOAD=/nowhere.so", "LD_DEBUG=files"};
  const auto ended = run_job(job);
  ASSERT_TRUE(ended) << ended.error().message();
  EXPECT_EQ(ended->errors.find("trav-plugin-host"), std::string::npos) << ended->errors;
}

TEST_F(SandboxTest, sees_nothing_of_the_host_but_its_programs) {
  const std::filesystem::path secret = std::filesystem::temp_directory_path() / "sandbox_test_secret";
  std::ofstream(secret) << "secret";
  EXPECT_THAT(output_of("cat " + secret.string()), HasSubstr("No such file"));
  std::filesystem::remove(secret);
  EXPECT_EQ(output_of("ls -A /tmp /home /root /var /proc /sys 2>/dev/null | grep -v '^/tmp:' | grep ."), "");
  EXPECT_EQ(output_of("ls -A /etc | grep -v -e alternatives -e ld.so.cache -e localtime"), "");
  EXPECT_EQ(output_of("ls -A /job"), "script.sh\n");
  EXPECT_EQ(output_of("pwd; hostname; id -u"), "/job\nsandbox\n65534\n");
  EXPECT_EQ(output_of("env | sort | grep -v -e ^PWD= -e ^_="), "HOME=/job\nLANG=C.UTF-8\nPATH=/usr/bin:/bin\n");
}

TEST_F(SandboxTest, writes_to_its_own_folder_alone) {
  EXPECT_EQ(output_of("echo a > /job/a && echo b > a2 && echo c > /tmp/c && cat a a2 /tmp/c"), "a\nb\nc\n");
  EXPECT_THAT(output_of("echo x > /usr/x"), HasSubstr("Read-only file system"));
  EXPECT_THAT(output_of("echo x > /bin/x"), HasSubstr("Read-only file system"));
  EXPECT_THAT(output_of("mount -t tmpfs none /job"),
              testing::AnyOf(HasSubstr("permi"), HasSubstr("must be superuser"), HasSubstr("failed")));
}

TEST_F(SandboxTest, has_no_network_and_no_other_processes) {
  Job job;
  job.interpreter = "/usr/bin/python3";
  job.script_name = "script.py";
  job.script = R"(
import ctypes, os, socket
def attempt(what, call):
    try:
        print(what, call())
    except Exception as error:
        print(what, type(error).__name__, getattr(error, 'errno', ''))
attempt('loopback', lambda: socket.create_connection(('127.0.0.1', 22), 1))
attempt('vsock', lambda: socket.socket(40, socket.SOCK_STREAM))
attempt('packet', lambda: socket.socket(17, socket.SOCK_RAW))
attempt('netlink', lambda: socket.socket(16, socket.SOCK_RAW))
attempt('kill', lambda: [os.kill(pid, 0) for pid in range(4, 200)])
libc = ctypes.CDLL(None, use_errno=True)
print('ptrace', libc.ptrace(16, 1, 0, 0), ctypes.get_errno())
print('unshare', libc.unshare(0x10000000), ctypes.get_errno())
print('uid', os.getresuid(), 'pid', os.getpid())
)";
  const auto ended = run_job(job);
  ASSERT_TRUE(ended) << ended.error().message();
  EXPECT_EQ(ended->output + ended->errors,
            "loopback OSError 101\nvsock OSError 97\npacket OSError 97\nnetlink OSError 97\n"
            "kill ProcessLookupError 3\nptrace -1 1\nunshare -1 1\nuid (65534, 65534, 65534) pid 2\n");
}

TEST_F(SandboxTest, bounds_hold) {
  Job bomb = shell("b() { b | b & }; b; i=0; while [ $i -lt 200 ]; do i=$((i+1)); (exit 0) || exit 9; done; echo done");
  bomb.limits.processes = 16;
  const auto bombed = run_job(bomb, "", {.time = 5s});
  // Out of processes, or out of time; the host does not notice.
  if (bombed) {
    EXPECT_THAT(bombed->errors, HasSubstr("fork"));
  } else {
    EXPECT_EQ(bombed.error().code(), ErrorCode::timeout);
  }

  Job files = shell("head -c 9000000 /dev/zero > a; wc -c < a");
  files.limits.files_bytes = 1'000'000;
  const auto filled = run_job(files);
  ASSERT_TRUE(filled) << filled.error().message();
  EXPECT_THAT(filled->output, testing::Not(HasSubstr("9000000")));

  Job memory;
  memory.interpreter = "/usr/bin/python3";
  memory.script_name = "script.py";
  memory.script = "x = bytearray(500 << 20)\nprint(len(x))\n";
  const auto grown = run_job(memory);
  ASSERT_TRUE(grown) << grown.error().message();
  EXPECT_EQ(grown->exit_code, 1);
  EXPECT_THAT(grown->errors, HasSubstr("MemoryError"));

  Job busy = shell("while :; do :; done");
  busy.limits.cpu_seconds = 1;
  const auto worked = run_job(busy);
  ASSERT_TRUE(worked) << worked.error().message();
  EXPECT_NE(worked->signal, 0);
  EXPECT_EQ(worked->exit_code, 128 + worked->signal);
}

TEST_F(SandboxTest, ends_in_time_with_all_that_it_started) {
  const auto began = std::chrono::steady_clock::now();
  const auto slow = run_job(shell("sleep 60"), "", {.time = 300ms});
  ASSERT_FALSE(slow);
  EXPECT_EQ(slow.error().code(), ErrorCode::timeout);
  EXPECT_THAT(slow.error().message(), HasSubstr("did not end within 300 ms"));

  const auto background = run_job(shell("sleep 61 & echo started"));
  ASSERT_TRUE(background) << background.error().message();
  EXPECT_EQ(background->output, "started\n");
  EXPECT_LT(std::chrono::steady_clock::now() - began, 30s);
}

TEST_F(SandboxTest, ends_when_it_is_asked_to) {
  std::stop_source stop;
  const std::jthread soon([&] {
    std::this_thread::sleep_for(200ms);
    stop.request_stop();
  });
  const auto ended = run(TRV_PLUGIN_HOST, shell("sleep 62"), "", {}, stop.get_token());
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code(), ErrorCode::cancelled);
}

TEST_F(SandboxTest, an_output_that_is_too_long_ends_it) {
  const auto ended = run_job(shell("while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done"), "",
                             {.output_bytes_max = 1'000});
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code(), ErrorCode::too_large);
  EXPECT_THAT(ended.error().message(), HasSubstr("more than 1000 bytes to standard output"));

  const auto last = run_job(shell("seq 100000 >&2"), "", {.output_bytes_max = 1'000, .keeps_whole_errors = false});
  ASSERT_TRUE(last) << last.error().message();
  EXPECT_EQ(last->errors.size(), 1'000U);
  EXPECT_TRUE(last->errors.ends_with("99999\n100000\n"));
}

}  // namespace
}  // namespace trv::sandbox
