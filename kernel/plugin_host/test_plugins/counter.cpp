// A plugin that counts its calls in memory, and hands the count over. Its configuration says what goes wrong.

#include <cstdlib>
#include <string>

#include "sdk/cpp/plugin.hpp"

#ifndef PLUGIN_VERSION
#define PLUGIN_VERSION "4.1.0"
#endif

namespace {

using namespace trv::sdk;

class Counter : public Plugin {
 public:
  static Operations<Counter> operations() {
    return {{"count", &Counter::count},
            {"count-later", &Counter::count_later},
            {"about", &Counter::about},
            {"hold", &Counter::hold},
            {"many-parts", &Counter::many_parts}};
  }

  std::optional<Failure> activate(std::string_view configuration) override {
    configuration_ = configuration;
    return std::nullopt;
  }
#ifndef FORGETS
  Outcome save_state() override {
    if (is_to("die-in-save")) std::abort();
    if (is_to("hang-in-save")) {
      for (volatile bool forever = true; forever;) {
      }
    }
    if (is_to("refuse-to-save")) return Failure{.message = "the count is not to be had"};
    if (is_to("save-too-much")) return std::string(1'000'001, '1');
    return std::to_string(count_);
  }
  std::optional<Failure> restore_state(std::string_view version, std::string_view state) override {
    if (is_to("die-in-restore")) std::abort();
    if (is_to("refuse-state"))
      return Failure{.message = "the count of " + std::string(version) + " is in Roman numerals"};
    restored_ = version;
    count_ = std::stol(std::string(state));
    return std::nullopt;
  }
#endif
  std::optional<Failure> check_health() override {
    if (is_to("be-unwell")) return Failure{.message = "it counts\nbackwards"};
    return std::nullopt;
  }

 private:
  [[nodiscard]] bool is_to(const char* what) const { return configuration_.find(what) != std::string::npos; }

  Task count(Call& call) {
    call.count("counted", 1, {{"kind", "plain"}});
    call.observe("seconds", 0.2);
    call.gauge("Not a name", 1);
    co_return std::to_string(++count_);
  }
  Task count_later(Call& call) {
    auto waited = call.wait(std::chrono::milliseconds(300));
    co_await waited;
    co_return std::to_string(++count_);
  }
  Task hold(Call& call) {
    call.progress(2, "not begun");
    call.progress(0.25, "a quarter\n");
    const auto copying = call.span("copy", {{"page", "a \"1\""}});
    for (int i = 0; i < 2; ++i) const auto reading = copying.span("read\n");
    call.stream("word by ");
    call.stream("word");
    auto waited = call.wait(std::chrono::minutes(1));
    co_await waited;
    co_return "null";
  }
  Task many_parts(Call& call) {
    for (int i = 0; i < 100; ++i) const auto part = call.span("part");
    co_return "null";
  }
  Task about(Call&) {
    co_return R"({"version":")" PLUGIN_VERSION R"(","restored":")" + restored_ + R"(","count":)" +
        std::to_string(count_) + "}";
  }

  std::string configuration_;
  std::string restored_;
  long count_ = 0;
};

}  // namespace

TRV_PLUGIN(Counter, "tracker", PLUGIN_VERSION)
