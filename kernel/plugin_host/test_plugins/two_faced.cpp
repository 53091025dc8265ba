// A plugin whose operations do what a validation has to find; those of "good" keep every promise.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <string>

#include "sdk/cpp/plugin.hpp"

namespace {

using namespace trv::sdk;

class TwoFaced : public Plugin {
 public:
  static Operations<TwoFaced> operations() {
    return {{"good", &TwoFaced::good},       {"ask", &TwoFaced::ask},           {"dial", &TwoFaced::dial},
            {"peek", &TwoFaced::peek},       {"crash", &TwoFaced::crash},       {"hang", &TwoFaced::hang},
            {"count", &TwoFaced::count},     {"sleep-long", &TwoFaced::sleeps}, {"twice", &TwoFaced::twice},
            {"process", &TwoFaced::process}, {"attempts", &TwoFaced::attempts}, {"tally", &TwoFaced::tally}};
  }

 private:
  static std::optional<Failure> refused(const Call& call) {
    if (call.input().starts_with("{\"n\":")) return std::nullopt;
    return Failure{.code = Code::invalid, .message = "n is missing"};
  }

  Task good(Call& call) {
    if (auto no = refused(call)) co_return *no;
    co_return std::string(call.input());
  }
  Task ask(Call& call) {
    if (auto no = refused(call)) co_return *no;
    auto read = call.http(get("/things?n=1").header("Accept", "application/json"));
    co_await read;
    if (!read) co_return read.failure();
    auto written = call.http(post("/things").body(read->body));
    co_await written;
    if (!written) co_return written.failure();
    co_return std::to_string(read->status + written->status);
  }
  /// A socket of its own, which walls keep away.
  Task dial(Call& call) {
    if (auto no = refused(call)) co_return *no;
    const int file = ::socket(AF_INET, SOCK_STREAM, 0);
    if (file < 0) {
      co_return Failure{.code = Code::unavailable, .message = errno == EPERM ? "no socket" : "another error"};
    }
    ::close(file);
    co_return "true";
  }
  /// A file of the host's, which is kept away once the library is loaded.
  Task peek(Call& call) {
    if (auto no = refused(call)) co_return *no;
    const int file = ::open("/etc/hostname", O_RDONLY | O_CLOEXEC);
    if (file < 0) {
      co_return Failure{.code = Code::unavailable, .message = errno == EACCES ? "no file" : "another error"};
    }
    ::close(file);
    co_return "true";
  }
  Task crash(Call& call) {
    if (auto no = refused(call)) co_return *no;
    auto read = call.http(get("/"));
    co_await read;
    if (read) std::abort();
    co_return read.failure();
  }
  Task hang(Call& call) {
    if (auto no = refused(call)) co_return *no;
    while (waits_) ::pause();
    co_return "1";
  }
  Task count(Call& call) {
    if (auto no = refused(call)) co_return *no;
    static std::atomic<int> counted = 0;
    co_return std::to_string(++counted);
  }
  Task sleeps(Call& call) {
    if (auto no = refused(call)) co_return *no;
    auto waited = call.wait(std::chrono::hours(1));
    co_await waited;
    co_return "1";
  }
  Task twice(Call& call) {
    if (auto no = refused(call)) co_return *no;
    auto put = call.kv().put("n", call.input());
    co_await put;
    if (!put) co_return put.failure();
    auto emitted = call.emit("com.tracker.counted", call.input(), "n");
    co_await emitted;
    if (!emitted) co_return emitted.failure();
    co_return "{}";
  }

  /// As a time of day: the same in two calls that follow each other, another one later.
  Task process(Call& call) {
    if (auto no = refused(call)) co_return *no;
    co_return std::to_string(::getpid());
  }
  /// Sends something else when it is made again.
  Task attempts(Call& call) {
    if (auto no = refused(call)) co_return *no;
    auto first = call.http(post("/things").body("attempt " + std::to_string(call.attempt())));
    co_await first;
    if (!first) co_return first.failure();
    co_return "{}";
  }
  /// Counts a call again that is made again.
  Task tally(Call& call) {
    if (auto no = refused(call)) co_return *no;
    auto read = call.kv().get("tally");
    co_await read;
    if (!read) co_return read.failure();
    const std::string next = std::to_string(read->empty() ? 1 : std::stoi(std::string(read->value())) + 1);
    auto put = call.kv().put("tally", next);
    co_await put;
    if (!put) co_return put.failure();
    auto asked = call.http(get("/tally"));
    co_await asked;
    co_return next;
  }

  std::atomic<bool> waits_ = true;
};

}  // namespace

TRV_PLUGIN(TwoFaced, "tracker", "1.2.3")
