// A plugin whose operations do what a validation has to find; those of "good" keep every promise.

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include "sdk/cpp/plugin.hpp"

namespace {

using namespace trv::sdk;

class TwoFaced : public Plugin {
 public:
  static Operations<TwoFaced> operations() {
    return {{"good", &TwoFaced::good},         {"ask", &TwoFaced::ask},     {"dial", &TwoFaced::dial},
            {"crash", &TwoFaced::crash},       {"hang", &TwoFaced::hang},   {"count", &TwoFaced::count},
            {"sleep-long", &TwoFaced::sleeps}, {"twice", &TwoFaced::twice}, {"process", &TwoFaced::process}};
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
    if (file < 0) co_return Failure{.code = Code::unavailable, .message = "no socket"};
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

  std::atomic<bool> waits_ = true;
};

}  // namespace

TRV_PLUGIN(TwoFaced, "tracker", "1.2.3")
