// The style of docs/guides/first-plugin.md in the shapes that authors write. The sanitizer builds prove that none of
// them touches memory that is not its own, with the compiler that the guide names.

#include <boost/json/src.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "sdk/conformance/fake_host.hpp"
#include "sdk/cpp/plugin.hpp"
#include "sdk/cpp_json/json.hpp"

static_assert(__cplusplus < 202302L && __cplusplus >= 202002L);

namespace style {
namespace {

using namespace trv::sdk;
using trv::conformance::CallOutcome;
using trv::conformance::FakeHost;
using trv::conformance::HttpAnswer;

/// Each operation gets a text as its input and makes at least one request from it.
class Shapes : public Plugin {
 public:
  static Operations<Shapes> operations() {
    return {{"conditional", &Shapes::conditional},
            {"conditional-request", &Shapes::conditional_request},
            {"conditional-header", &Shapes::conditional_header},
            {"json-in-place", &Shapes::json_in_place},
            {"json-nested", &Shapes::json_nested},
            {"in-a-loop", &Shapes::in_a_loop},
            {"in-a-condition", &Shapes::in_a_condition},
            {"while-condition", &Shapes::while_condition},
            {"in-a-switch", &Shapes::in_a_switch},
            {"try-catch", &Shapes::try_catch},
            {"moved", &Shapes::moved},
            {"nested-parts", &Shapes::nested_parts},
            {"part-in-a-loop", &Shapes::part_in_a_loop},
            {"lambda", &Shapes::lambda},
            {"many-at-once", &Shapes::many_at_once},
            {"failure-in-place", &Shapes::failure_in_place},
            {"optional-and-views", &Shapes::optional_and_views},
            {"structured", &Shapes::structured}};
  }

 private:
  Task conditional(Call& call) {
    const std::string page = call.input();
    auto response = call.http(get("/" + page + (page == "" ? "" : "?v=" + page)));
    co_await response;
    if (!response) co_return response.failure();
    co_return response->body + (page == "" ? "" : "?v=" + page);
  }

  Task conditional_request(Call& call) {
    const std::string page = call.input();
    auto response = call.http(page.empty() ? get("/empty").header("A", "b" + page)
                                           : post("/" + page).body(page + (page == "x" ? "" : "&v=" + page)));
    co_await response;
    co_return response ? response->body : page == "" ? "none" : "none of " + page;
  }

  Task conditional_header(Call& call) {
    const std::string page = call.input();
    Request request = get("/" + page);
    if (!page.empty()) request.header("X-" + page, page == "x" ? "" : "v" + page).header("X-Long", page + page + page);
    auto response = call.http(std::move(request));
    co_await response;
    co_return response->body;
  }

  Task json_in_place(Call& call) {
    auto response = call.http(post("/x").json(json::object{{"a", 1}}));
    co_await response;
    co_return json::serialize(json::object{{"body", response->body}, {"list", {1, "two", {{"three", call.input()}}}}});
  }

  Task json_nested(Call& call) {
    const std::string page = call.input();
    auto response =
        call.http(post("/" + page)
                      .header("Accept", page.empty() ? "text/plain" : "text/" + page)
                      .json(json::object{
                          {"a", {{"b", {1, 2, page.empty() ? "e" : "f" + page}}}}, {"text", page}, {"none", nullptr}}));
    co_await response;
    auto second = call.http(put("/text").json(R"({"already":"text"})"));
    co_await second;
    co_return response->body + second->body;
  }

  Task in_a_loop(Call& call) {
    const std::string page = call.input();
    std::string all;
    for (int i = 0; i < 3; ++i) {
      auto response = call.http(get("/" + page + (i == 0 ? "" : "?page=" + std::to_string(i))));
      co_await response;
      if (!response) continue;
      all += response->body + (i == 0 ? "" : "," + std::to_string(i));
      if (all.size() > 10'000) break;
    }
    co_return all;
  }

  Task in_a_condition(Call& call) {
    const std::string page = call.input();
    if (auto response = call.http(get("/" + page + (page == "" ? "" : "?v=" + page))); page != "x") {
      co_await response;
      if (response && response->ok() && response->body + (page == "" ? "" : page) != "never") co_return response->body;
    } else {
      co_await response;
      co_return response ? "x: " + response->body : "x";
    }
    co_return page.empty() ? "" : "no " + page;
  }

  Task while_condition(Call& call) {
    const std::string page = call.input();
    std::string all = page;
    while (all.size() < 200) {
      auto response = call.http(get("/" + all.substr(0, 10) + (all.size() % 2 == 0 ? "" : "?odd=" + page)));
      co_await response;
      all += response->body.empty() ? std::string(50, 'e') : response->body + std::string(50, 'b');
    }
    co_return all;
  }

  Task in_a_switch(Call& call) {
    const std::string page = call.input();
    switch (page.size()) {
      case 0: {
        auto response = call.http(get("/zero"));
        co_await response;
        co_return "zero" + response->body;
      }
      case 1: {
        auto response = call.http(patch("/" + page).body(page == "x" ? "" : page));
        co_await response;
        co_return "one" + response->body;
      }
      default: {
        auto response = call.http(request("DELETE", "/" + page));
        co_await response;
        co_return "many" + response->body;
      }
    }
  }

  Task try_catch(Call& call) {
    const std::string page = call.input();
    std::string caught;
    try {
      auto response = call.http(get("/" + page + (page == "" ? "" : "?v=" + page)).header("A", "/" + page));
      co_await response;
      throw std::runtime_error("after " + response->body + (page == "" ? "" : "?v=" + page));
    } catch (const std::exception& error) {
      caught = std::string(error.what()) + (page == "" ? "" : " in " + page);
    }
    auto response = call.http(post("/caught").body(caught));
    co_await response;
    co_return caught;
  }

  Task moved(Call& call) {
    std::string page = call.input() + std::string(40, '/');
    std::string body = "body of " + page;
    auto response = call.http(post("/" + std::move(page)).body(std::move(body)).header("A", std::string(50, 'a')));
    page = "used again, and long enough to be allocated";
    co_await response;
    co_return page + response->body;
  }

  Async<std::string> part(Call& call, std::string path, std::optional<std::string> header = std::nullopt) {
    Request asked = get("/" + path);
    if (header) asked.header("X-Part", *header);
    auto response = call.http(asked);
    co_await response;
    co_return response->body + (path.empty() ? "" : " of " + path);
  }
  Async<std::vector<std::string>> parts(Call& call, std::string page) {
    std::vector<std::string> all;
    auto first = part(call, page + (page == "" ? "" : "/first/" + page));
    co_await first;
    all.push_back(*first);
    auto second = part(call, page == "" ? "" : "second/" + page, page.empty() ? std::nullopt : std::optional(page));
    co_await second;
    all.push_back(std::move(*second));
    co_return all;
  }
  Task nested_parts(Call& call) {
    const std::string page = call.input();
    auto both = parts(call, page + (page == "" ? "" : "?v=" + page));
    co_await both;
    co_return both->at(0) + (page == "" ? "" : " and ") + both->at(1);
  }
  Task part_in_a_loop(Call& call) {
    std::string all;
    for (const char* name : {"a", "b", "a-name-that-does-not-fit-into-the-small-buffer"}) {
      auto found = part(call, call.input() + (call.input().empty() ? "" : "/") + name);
      co_await found;
      all += *found + (all.empty() ? "" : ";");
    }
    co_return all;
  }

  Task lambda(Call& call) {
    const std::string page = call.input();
    const auto ask = [&](std::string_view what) {
      return get("/" + std::string(what) + (page == "" ? "" : "?v=" + page)).header("X-What", std::string(what));
    };
    auto first = call.http(ask("first"));
    auto second = call.http(ask(page.empty() ? "second" : page));
    co_await first;
    co_await second;
    co_return first->body + second->body;
  }

  Task many_at_once(Call& call) {
    const std::string page = call.input();
    auto a = call.http(get("/a" + page));
    auto b = call.http(get("/b" + (page == "" ? "" : "?v=" + page)));
    auto c = call.http(get("/c").header("A", page));
    co_await c;
    co_await a;
    co_await b;
    co_return a->body + b->body + c->body;
  }

  Task failure_in_place(Call& call) {
    const std::string page = call.input();
    auto response = call.http(get("/" + page));
    co_await response;
    co_return Failure{.code = Code::conflict,
                      .message = "the page " + page + (page == "" ? "(none)" : " of " + page) + " answered " +
                                 std::to_string(response->status),
                      .detail = json::serialize(json::object{{"page", page}})};
  }

  Task optional_and_views(Call& call) {
    const std::string page = call.input();
    const std::optional<std::string> query = page.empty() ? std::nullopt : std::optional("?v=" + page);
    auto response = call.http(get("/" + page + query.value_or("")));
    co_await response;
    const std::string_view kind = response->header("X-Kind").value_or("none");
    co_return std::string(kind) + (query ? *query : std::string());
  }

  Task structured(Call& call) {
    const auto [path, text] = std::pair("/" + call.input(), call.input() + std::string(30, 't'));
    auto response = call.http(post(path).body(text + (text.size() > 30 ? "!" + path : "")));
    co_await response;
    const auto& [status, headers, body] = *response;
    co_return std::to_string(status) + body + (headers.empty() ? "" : headers[0].name);
  }
};

}  // namespace
}  // namespace style

TRV_PLUGIN(style::Shapes, "style", "1.0.0")

namespace style {
namespace {

constexpr const char* long_page = "a-page-whose-name-does-not-fit-into-the-small-buffer-of-a-string";

TEST(Style, every_shape_is_answered_with_short_and_long_texts_and_keeps_the_abi) {
  for (const Operation<Shapes>& operation : Shapes::operations()) {
    for (const std::string input : {"", "x", long_page}) {
      FakeHost host(trv_entry_v1);
      ASSERT_TRUE(host.activate());
      const std::vector<trv::conformance::HttpStep> answers(20,
                                                            HttpAnswer{200, std::string(60, 'r'), {{"X-Kind", "k"}}});
      const CallOutcome outcome = host.call({.operation = std::string(operation.name), .input = input}, answers);
      EXPECT_TRUE(outcome.succeeded() || outcome.code() == TRV_ERROR_CONFLICT)
          << operation.name << ": " << (outcome.error ? outcome.error->message : "not answered");
      EXPECT_THAT(host.requests(), testing::Not(testing::IsEmpty())) << operation.name;
      EXPECT_THAT(host.faults(), testing::IsEmpty()) << operation.name;
    }
  }
}

TEST(Style, every_shape_can_be_cancelled_or_left_open_at_its_first_request) {
  for (const Operation<Shapes>& operation : Shapes::operations()) {
    for (const bool cancels : {true, false}) {
      FakeHost host(trv_entry_v1);
      ASSERT_TRUE(host.activate());
      const auto call = host.begin({.operation = std::string(operation.name), .input = long_page});
      if (cancels) host.cancel(call);
      host.deactivate();
      EXPECT_EQ(host.outcome(call)->code(), TRV_ERROR_CANCELLED) << operation.name;
      EXPECT_THAT(host.faults(), testing::IsEmpty()) << operation.name;
    }
  }
}

TEST(Style, what_was_written_is_what_is_sent) {
  FakeHost host(trv_entry_v1);
  ASSERT_TRUE(host.activate());
  const auto last = [&](const char* operation, const char* input) {
    const auto outcome = host.call({.operation = operation, .input = input}, {HttpAnswer{200, "body"}});
    EXPECT_TRUE(outcome.succeeded()) << operation;
    return host.requests().back();
  };
  EXPECT_EQ(last("conditional", "").path, "/");
  EXPECT_EQ(last("conditional", "page").path, "/page?v=page");
  const auto in_place = last("json-in-place", "");
  EXPECT_EQ(in_place.body, R"({"a":1})");
  EXPECT_EQ(in_place.header("Content-Type"), "application/json");
  const auto moved = last("moved", "p");
  EXPECT_EQ(moved.path, "/p" + std::string(40, '/'));
  EXPECT_EQ(moved.body, "body of p" + std::string(40, '/'));
  EXPECT_EQ(last("conditional-header", "q").header("X-q"), "vq");
}

}  // namespace
}  // namespace style
