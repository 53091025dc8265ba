// The plugin against a host that does nothing by itself: the test says what the service answers.

#include <cstdio>
#include <cstdlib>

#include "sdk/conformance/fake_host.hpp"

namespace {

using trv::conformance::CallOutcome;
using trv::conformance::FakeHost;
using trv::conformance::HttpAnswer;

void expect(bool holds, const char* what) {
  std::printf("%s %s\n", holds ? "ok  " : "FAIL", what);
  if (!holds) std::exit(1);
}

}  // namespace

int main() {
  FakeHost host(trv_entry_v1);
  expect(host.activate(), "the plugin starts");

  const CallOutcome echo = host.call({.operation = "echo", .input = R"({"text":"hello"})"});
  expect(echo.output == R"({"text":"hello"})", "echo gives the text back");

  const CallOutcome wrong = host.call({.operation = "echo", .input = R"({"text":7})"});
  expect(wrong.code() == TRV_ERROR_INVALID, "echo refuses what is not text");

  const CallOutcome page =
      host.call({.operation = "fetch", .input = R"({"page":"a b.html"})"}, {HttpAnswer{200, "<html>"}});
  expect(page.output == R"({"content":"<html>"})", "fetch gives the content");
  expect(host.requests().at(0).path == "/a%20b.html", "fetch asks for the page");

  const CallOutcome missing =
      host.call({.operation = "fetch", .input = R"({"page":"x"})"}, {HttpAnswer{404, "not here"}});
  expect(missing.code() == TRV_ERROR_NOT_FOUND, "a missing page is not found");

  const CallOutcome busy =
      host.call({.operation = "fetch", .input = R"({"page":"x"})"}, {HttpAnswer{503, "", {{"Retry-After", "2"}}}});
  expect(
      busy.code() == TRV_ERROR_UNAVAILABLE && busy.error->retry == TRV_RETRY_SAFE && busy.error->retry_after_ms == 2000,
      "a busy service may be asked again");

  expect(host.faults().empty(), "the plugin keeps the rules of the ABI");
}
