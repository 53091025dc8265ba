// Compiled as C++20: the layer promises to need no more.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "sdk/conformance/fake_host.hpp"
#include "sdk/cpp/plugin.hpp"
#include "sdk/cpp/url.hpp"
#include "sdk/cpp/utf8.hpp"

static_assert(__cplusplus < 202302L && __cplusplus >= 202002L);

namespace trv::sdk {
namespace {

using conformance::CallOutcome;
using conformance::FakeHost;
using conformance::HttpAnswer;

int alive = 0;

/// Counts what lives in coroutine frames.
struct Counted {
  Counted() { ++alive; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --alive; }
};

std::string large_text(char letter) {
  return std::string(100, letter);
}

class Sample : public Plugin {
 public:
  static Operations<Sample> operations() {
    return {{"echo", &Sample::echo},
            {"fetch", &Sample::fetch},
            {"sum", &Sample::sum},
            {"both", &Sample::both},
            {"throw", &Sample::throw_one},
            {"throw-late", &Sample::throw_late},
            {"refuse", &Sample::refuse},
            {"huge", &Sample::huge},
            {"abandon", &Sample::abandon},
            {"rest", &Sample::rest},
            {"count", &Sample::count},
            {"pages", &Sample::pages},
            {"sign", &Sample::sign},
            {"tell", &Sample::tell},
            {"never-ends", &Sample::loop},
            {"throw-part", &Sample::throw_part},
            {"too-early", &Sample::too_early},
            {"part-too-early", &Sample::part_too_early},
            {"everything", &Sample::everything}};
  }

  std::optional<Failure> activate(std::string_view configuration) override {
    log(Level::info, "activating");
    if (configuration == "throw") throw std::runtime_error("no good");
    if (configuration != "{}") return Failure{.code = Code::invalid, .message = "configuration: must be {}"};
    return std::nullopt;
  }

 private:
  Task echo(Call& call) {
    call.log(Level::debug, "echo of " + call.tenant());
    co_return call.input();
  }

  Task fetch(Call& call) {
    const Counted counted;
    auto response = call.http(post("/things/" + large_text('p'))
                                  .body(large_text('b') + call.input())
                                  .header("Accept", large_text('a'))
                                  .header("X-Second", "2"));
    co_await response;
    if (!response) co_return response.failure();
    if (!response->ok()) co_return failure_of_status(*response, "the thing was refused");
    co_return response->body + std::string(response->header("x-kind").value_or("none"));
  }

  Async<int> part(Call& call, std::string path) {
    const Counted counted;
    auto response = call.http(get("/" + path));
    co_await response;
    co_return response ? response->status : -1;
  }
  Task sum(Call& call) {
    const Counted counted;
    auto first = part(call, large_text('1'));
    co_await first;
    auto second = part(call, large_text('2'));
    co_await second;
    co_return std::to_string(*first + *second);
  }

  Task both(Call& call) {
    auto first = call.http(get("/1"));
    auto second = call.http(get("/2"));
    co_await second;
    co_await first;
    co_await second;
    co_return first->body + second->body;
  }

  Task rest(Call& call) {
    auto pause = call.wait(std::chrono::seconds(2));
    co_await pause;
    if (!pause) co_return pause.failure();
    co_return std::string("\"rested\"");
  }

  // One more with each call, also where others count.
  Task count(Call& call) {
    auto before = call.kv().get("count");
    co_await before;
    if (!before) co_return before.failure();
    const std::string next = std::to_string(before->empty() ? 1 : std::stoi(std::string(before->value())) + 1);
    auto kept = call.kv().put("count", next, before->revision());
    co_await kept;
    if (!kept) co_return kept.failure();
    co_return next;
  }

  Task pages(Call& call) {
    std::string keys;
    std::string after;
    for (bool goes_on = true; goes_on;) {
      auto page = call.kv().list("item/", after, 2);
      co_await page;
      if (!page) co_return page.failure();
      for (const Stored::Entry& entry : page->entries) keys += entry.key + " ";
      goes_on = page->has_more;
      if (goes_on) after = page->entries.back().key;
    }
    auto gone = call.kv().erase("item/1");
    co_await gone;
    co_return keys;
  }

  Task sign(Call& call) {
    auto made = call.sign("vault", SignatureKind::ed25519, call.input());
    co_await made;
    if (!made) co_return made.failure();
    co_return made->bytes;
  }

  Task tell(Call& call) {
    auto first = call.emit("com.sample.reported", call.input(), "first");
    auto second = call.emit("com.sample.reported", call.input());
    co_await first;
    co_await second;
    if (!first) co_return first.failure();
    co_return first->id + " " + second->id;
  }

  Task abandon(Call& call) {
    auto unused = call.http(get("/unused"));
    co_return "done";
  }

  Task loop(Call& call) {
    const Counted counted;
    while (true) {
      auto response = call.http(get("/again"));
      co_await response;
    }
  }

  Task throw_one(Call&) { throw std::runtime_error("broken pipe organ"); }
  Async<std::string> broken(Call& call) {
    auto response = call.http(get("/x"));
    co_await response;
    throw std::runtime_error("broken part");
    co_return "";
  }
  Task throw_part(Call& call) {
    try {
      auto part = broken(call);
      co_await part;
      co_return *part;
    } catch (const std::runtime_error& error) {
      co_return std::string("caught ") + error.what();
    }
    co_return "nothing";
  }
  Task throw_late(Call& call) {
    auto response = call.http(get("/x").header("X-Only", "one"));
    co_await response;
    co_return response->body;
  }
  Task too_early(Call& call) {
    auto response = call.http(get("/x"));
    if (!response) co_return response.failure();
    co_return response->body;
  }
  Task part_too_early(Call& call) {
    auto unawaited = part(call, "x");
    co_return std::to_string(*unawaited);
  }
  Task everything(Call& call) {
    Request whole = request("DELETE", "/x");
    if (call.attempt() == 1) whole.header("X-First", "1");
    whole.connection("other").timeout_ms(250).body("text");
    auto once = call.http(whole);
    co_await once;
    auto again = call.http(std::move(whole).json(std::string("[1]")));
    co_await again;
    co_return again->body;
  }
  Task refuse(Call&) {
    co_return Failure{.code = Code::exhausted,
                      .message = "slow down, " + large_text('r'),
                      .retry = Retry::safe,
                      .retry_after_ms = 1500,
                      .status = 429,
                      .detail = "{}"};
  }
  Task huge(Call&) { co_return std::string(1'000'001, 'x'); }
};

}  // namespace
}  // namespace trv::sdk

TRV_PLUGIN(trv::sdk::Sample, "sample", "1.2.3")

namespace trv::sdk {
namespace {

class SdkTest : public testing::Test {
 protected:
  SdkTest() : host(trv_entry_v1) { EXPECT_TRUE(host.activate()); }
  void TearDown() override {
    host.deactivate();
    EXPECT_EQ(alive, 0) << "a coroutine frame was not freed";
    host.destroy();
    EXPECT_THAT(host.faults(), testing::IsEmpty());
  }
  FakeHost host;
};

TEST_F(SdkTest, a_host_can_ask_for_the_operations) {
  const auto* operations =
      static_cast<const trv_plugin_operation*>(host.plugin()->get_extension(host.plugin(), TRV_EXT_OPERATION));
  ASSERT_NE(operations, nullptr);
  ASSERT_EQ(operations->count(host.plugin()), Sample::operations().size());
  const trv_string first = operations->name(host.plugin(), 0);
  EXPECT_EQ(std::string_view(first.data, first.size), "echo");
  EXPECT_EQ(operations->name(host.plugin(), 999).size, 0U);
}

TEST_F(SdkTest, an_operation_that_returns_at_once_is_answered_inside_invoke) {
  const CallOutcome outcome = host.call({.operation = "echo", .input = R"({"a":1})"});
  EXPECT_EQ(outcome.output, R"({"a":1})");
  EXPECT_EQ(host.log().back().message, "echo of acme");
}

TEST_F(SdkTest, a_request_carries_what_the_author_wrote_and_its_answer_resumes_the_coroutine) {
  const CallOutcome outcome = host.call({.operation = "fetch", .input = "7", .connection = "api"},
                                        {HttpAnswer{201, "made ", {{"X-Kind", "thing"}}}});
  EXPECT_EQ(outcome.output, "made thing");
  const auto requests = host.requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].connection, "api");
  EXPECT_EQ(requests[0].method, "POST");
  EXPECT_EQ(requests[0].path, "/things/" + large_text('p'));
  EXPECT_EQ(requests[0].body, large_text('b') + "7");
  EXPECT_EQ(requests[0].header("accept"), large_text('a'));
  EXPECT_EQ(requests[0].header("x-second"), "2");
  EXPECT_EQ(requests[0].idempotency_key, "acme/i1/t1/1");
}

TEST_F(SdkTest, a_call_waits_without_holding_a_thread) {
  const std::uint64_t id = host.begin({.operation = "rest"});
  ASSERT_EQ(host.timers().size(), 1U);
  EXPECT_EQ(host.timers()[0].after_ms, 2'000U);
  EXPECT_FALSE(host.outcome(id));
  host.time_comes(host.timers()[0].timer_id);
  EXPECT_EQ(host.outcome(id)->output, "\"rested\"");
}

TEST_F(SdkTest, a_call_finds_what_an_earlier_call_kept) {
  EXPECT_EQ(host.call({.operation = "count"}).output, "1");
  EXPECT_EQ(host.call({.operation = "count"}).output, "2");
  EXPECT_EQ(host.store().find("count"), "2");
  EXPECT_EQ(host.call({.operation = "count", .tenant = "other"}).output, "1");
}

TEST_F(SdkTest, services_that_refuse_are_failures_that_the_call_sees) {
  host.refuse_services(conformance::CallError{.code = TRV_ERROR_EXHAUSTED, .message = "the store is full"});
  for (const char* operation : {"count", "sign", "tell"})
    EXPECT_EQ(host.call({.operation = operation}).code(), TRV_ERROR_EXHAUSTED) << operation;
}

TEST_F(SdkTest, keys_are_listed_page_by_page) {
  for (const char* key : {"item/3", "item/1", "other", "item/2"}) host.store().put(key, "null");
  EXPECT_EQ(host.call({.operation = "pages"}).output, "item/1 item/2 item/3 ");
  EXPECT_FALSE(host.store().find("item/1"));
}

TEST_F(SdkTest, a_call_has_bytes_signed_by_a_secret_of_its_configuration) {
  EXPECT_EQ(host.call({.operation = "sign", .input = "[1]"}).output, "signed");
  ASSERT_EQ(host.signatures().size(), 1U);
  EXPECT_EQ(host.signatures()[0].secret, "vault");
  EXPECT_EQ(host.signatures()[0].kind, TRV_SIGNATURE_ED25519);
  EXPECT_EQ(host.signatures()[0].data, "[1]");
}

TEST_F(SdkTest, a_call_emits_events_whose_ids_are_the_same_when_it_is_made_again) {
  EXPECT_EQ(host.call({.operation = "tell", .input = "[1]"}).output, "acme/i1/t1/1/1 acme/i1/t1/1/2");
  EXPECT_EQ(host.call({.operation = "tell", .input = "[1]"}).output, "acme/i1/t1/1/1 acme/i1/t1/1/2");
  ASSERT_EQ(host.events().size(), 4U);
  EXPECT_EQ(host.events()[0].type, "com.sample.reported");
  EXPECT_EQ(host.events()[0].subject, "first");
  EXPECT_EQ(host.events()[1].data, "[1]");
}

TEST_F(SdkTest, a_request_can_be_built_in_steps_and_sent_again) {
  const CallOutcome outcome = host.call({.operation = "everything"}, {HttpAnswer{200, "1"}, HttpAnswer{200, "2"}});
  EXPECT_EQ(outcome.output, "2");
  const auto requests = host.requests();
  ASSERT_EQ(requests.size(), 2U);
  for (const auto& request : requests) {
    EXPECT_EQ(request.method, "DELETE");
    EXPECT_EQ(request.path, "/x");
    EXPECT_EQ(request.connection, "other");
    EXPECT_EQ(request.timeout_ms, 250U);
    EXPECT_EQ(request.header("X-First"), "1");
  }
  EXPECT_EQ(requests[0].body, "text");
  EXPECT_EQ(requests[0].header("Content-Type"), std::nullopt);
  EXPECT_EQ(requests[1].body, "[1]");
  EXPECT_EQ(requests[1].header("Content-Type"), "application/json");
  EXPECT_EQ(requests[1].idempotency_key, "acme/i1/t1/1/2");
}

TEST_F(SdkTest, what_was_not_awaited_cannot_be_read) {
  EXPECT_EQ(host.call({.operation = "too-early"}).error->message, "the answer was read before co_await");
  EXPECT_EQ(host.call({.operation = "part-too-early"}).error->message, "the plugin threw: bad optional access");
}

// What g++ 12 gets wrong does not compile: a request as an aggregate, and co_await as part of a larger expression.
template <typename Promise, typename Awaited>
concept Awaits =
    requires(Promise& promise, Awaited&& awaited) { promise.await_transform(std::forward<Awaited>(awaited)); };
static_assert(!std::is_aggregate_v<Request> && !std::is_default_constructible_v<Request>);
static_assert(!std::is_convertible_v<std::string, Request>);
static_assert(Awaits<Task::promise_type, Exchange&> && !Awaits<Task::promise_type, Exchange>);
static_assert(Awaits<Async<int>::promise_type, Exchange&> && !Awaits<Async<int>::promise_type, Exchange>);
static_assert(Awaits<Task::promise_type, Async<int>&> && !Awaits<Task::promise_type, Async<int>>);
static_assert(Awaits<Async<int>::promise_type, Async<int>&> && !Awaits<Async<int>::promise_type, Async<int>>);
static_assert(std::is_void_v<decltype(std::declval<ExchangeAwaiter&>().await_resume())>);
static_assert(std::is_void_v<decltype(std::declval<PartAwaiter<int>&>().await_resume())>);

TEST_F(SdkTest, parts_run_in_turn_and_give_their_values) {
  const CallOutcome outcome = host.call({.operation = "sum"}, {HttpAnswer{200}, HttpAnswer{204}});
  EXPECT_EQ(outcome.output, "404");
  EXPECT_EQ(host.requests()[1].path, "/" + large_text('2'));
}

TEST_F(SdkTest, answers_of_two_open_requests_may_arrive_in_any_order) {
  for (const bool first_first : {true, false}) {
    const auto call = host.begin({.operation = "both"});
    const auto requests = host.requests();
    const auto first = requests[requests.size() - 2].request_id;
    const auto second = requests[requests.size() - 1].request_id;
    host.respond(first_first ? first : second, {.body = first_first ? "a" : "b"});
    EXPECT_FALSE(host.outcome(call));
    host.respond(first_first ? second : first, {.body = first_first ? "b" : "a"});
    EXPECT_EQ(host.outcome(call)->output, "ab");
  }
}

TEST_F(SdkTest, an_answer_that_nobody_waits_for_is_dropped) {
  EXPECT_EQ(host.call({.operation = "abandon"}).output, "done");
}

TEST_F(SdkTest, an_unknown_operation_is_not_found) {
  const CallOutcome outcome = host.call({.operation = "levitate"});
  EXPECT_EQ(outcome.code(), TRV_ERROR_NOT_FOUND);
  EXPECT_EQ(outcome.error->message, "no operation \"levitate\"");
}

TEST_F(SdkTest, an_exception_ends_its_call_as_internal_and_no_other) {
  const auto other = host.begin({.operation = "fetch"});
  EXPECT_EQ(host.call({.operation = "throw"}).error->message, "the plugin threw: broken pipe organ");
  const CallOutcome late = host.call({.operation = "throw-late"}, {conformance::CallError{}});
  EXPECT_EQ(late.code(), TRV_ERROR_INTERNAL);
  EXPECT_EQ(host.call({.operation = "throw-part"}, {HttpAnswer{}}).output, "caught broken part");
  host.respond(*host.first_open_request(other), {.body = ""});
  EXPECT_EQ(host.outcome(other)->output, "none");
}

TEST_F(SdkTest, a_failure_keeps_every_field) {
  const CallOutcome outcome = host.call({.operation = "refuse"});
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, TRV_ERROR_EXHAUSTED);
  EXPECT_EQ(outcome.error->retry, TRV_RETRY_SAFE);
  EXPECT_EQ(outcome.error->retry_after_ms, 1500U);
  EXPECT_EQ(outcome.error->status, 429);
  EXPECT_EQ(outcome.error->message, "slow down, " + large_text('r'));
  EXPECT_EQ(outcome.error->detail, "{}");
}

TEST_F(SdkTest, an_error_of_the_host_reaches_the_coroutine_whole) {
  const CallOutcome outcome =
      host.call({.operation = "fetch"},
                {conformance::CallError{
                    .code = TRV_ERROR_TIMEOUT, .message = "no answer", .retry_after_ms = 20, .detail = "{}"}});
  EXPECT_EQ(outcome.code(), TRV_ERROR_TIMEOUT);
  EXPECT_EQ(outcome.error->message, "no answer");
  EXPECT_EQ(outcome.error->retry, TRV_RETRY_SAFE);
  EXPECT_EQ(outcome.error->retry_after_ms, 20U);
}

TEST_F(SdkTest, an_output_over_the_limit_is_too_large) {
  EXPECT_EQ(host.call({.operation = "huge"}).code(), TRV_ERROR_TOO_LARGE);
}

TEST_F(SdkTest, a_cancelled_call_is_answered_at_once_and_its_frame_freed_at_the_next_main_function) {
  const auto call = host.begin({.operation = "never-ends"});
  EXPECT_EQ(alive, 1);
  host.cancel(call);
  EXPECT_EQ(host.outcome(call)->code(), TRV_ERROR_CANCELLED);
  host.cancel(call);
  host.cancel(9999);
  (void)host.call({.operation = "echo"});
  EXPECT_EQ(alive, 0);
}

TEST_F(SdkTest, a_cancelled_call_is_not_resumed_by_a_late_answer) {
  const auto call = host.begin({.operation = "sum"});
  const auto request = *host.first_open_request(call);
  host.cancel(call);
  host.respond(request, {});
  EXPECT_EQ(host.requests().size(), 1U);
  EXPECT_EQ(alive, 0);
}

TEST_F(SdkTest, cancel_from_another_thread_races_with_answers_and_each_call_is_answered_once) {
  for (int i = 0; i < 50; ++i) {
    const auto call = host.begin({.operation = "never-ends"});
    std::thread canceller([&] { host.cancel(call); });
    while (!host.outcome(call))
      if (const auto request = host.first_open_request(call)) host.respond(*request, {});
    canceller.join();
    EXPECT_EQ(host.outcome(call)->code(), TRV_ERROR_CANCELLED);
  }
  host.settle();
}

TEST_F(SdkTest, open_calls_are_answered_as_cancelled_when_the_plugin_is_deactivated) {
  const auto call = host.begin({.operation = "sum"});
  host.deactivate();
  EXPECT_EQ(host.outcome(call)->code(), TRV_ERROR_CANCELLED);
}

TEST(Sdk, destroy_without_deactivate_frees_open_calls) {
  FakeHost host(trv_entry_v1);
  ASSERT_TRUE(host.activate());
  (void)host.begin({.operation = "sum"});
  host.destroy();
  EXPECT_EQ(alive, 0);
  EXPECT_THAT(host.faults(), testing::IsEmpty());
}

TEST(Sdk, activation_that_fails_or_throws_says_why) {
  FakeHost refused(trv_entry_v1);
  EXPECT_FALSE(refused.activate("[]"));
  EXPECT_EQ(refused.activation_error()->message, "configuration: must be {}");
  FakeHost threw(trv_entry_v1);
  EXPECT_FALSE(threw.activate("throw"));
  EXPECT_EQ(threw.activation_error()->code, TRV_ERROR_INTERNAL);
  EXPECT_THAT(refused.faults(), testing::IsEmpty());
  EXPECT_THAT(threw.faults(), testing::IsEmpty());
}

TEST(Sdk, a_host_without_http_log_or_time_is_coped_with) {
  FakeHost host(trv_entry_v1, {},
                {.offers_http = false,
                 .offers_log = false,
                 .offers_timer = false,
                 .offers_kv = false,
                 .offers_blob = false,
                 .offers_secret = false,
                 .offers_event = false});
  ASSERT_TRUE(host.activate());
  for (const char* operation : {"count", "sign", "tell"})
    EXPECT_EQ(host.call({.operation = operation}).code(), TRV_ERROR_DENIED) << operation;
  EXPECT_EQ(host.call({.operation = "rest"}).code(), TRV_ERROR_DENIED);
  EXPECT_EQ(host.call({.operation = "fetch"}).code(), TRV_ERROR_DENIED);
}

TEST(Sdk, a_host_of_a_later_minor_version_with_larger_structs_is_served) {
  FakeHost host(trv_entry_v1, {}, {.is_of_later_minor = true});
  ASSERT_TRUE(host.activate());
  const CallOutcome made = host.call({.operation = "fetch"}, {HttpAnswer{201, "made ", {{"X-Kind", "thing"}}}});
  EXPECT_EQ(made.output, "made thing");
  const CallOutcome failed = host.call({.operation = "fetch"}, {conformance::CallError{.message = "no route"}});
  EXPECT_EQ(failed.error->message, "no route");
  EXPECT_THAT(host.faults(), testing::IsEmpty());
}

TEST(Sdk, a_struct_of_the_host_that_is_smaller_than_version_1_is_refused) {
  using conformance::HostShape;
  const auto host_with_small = [](HostShape::Struct which) {
    return std::make_unique<FakeHost>(trv_entry_v1, "sample", HostShape{.too_small = which});
  };
  EXPECT_EQ(host_with_small(HostShape::Struct::host)->plugin(), nullptr);
  const auto no_call = host_with_small(HostShape::Struct::host_call);
  EXPECT_FALSE(no_call->activate());
  EXPECT_EQ(no_call->activation_error()->message, "this host offers no trv.call/1");
  const auto no_http = host_with_small(HostShape::Struct::host_http);
  ASSERT_TRUE(no_http->activate());
  EXPECT_EQ(no_http->call({.operation = "fetch"}).error->message, "this host offers no HTTP (trv.http/1)");
  const std::pair<HostShape::Struct, std::string> others[] = {
      {HostShape::Struct::call, "the host's trv_call is too short"},
      {HostShape::Struct::response, "the host's trv_http_response is too short"},
      {HostShape::Struct::error, "the host reported an error without saying which"}};
  for (const auto& [which, message] : others) {
    const auto host = host_with_small(which);
    ASSERT_TRUE(host->activate());
    const conformance::HttpStep step = which == HostShape::Struct::error
                                           ? conformance::HttpStep(conformance::CallError{})
                                           : conformance::HttpStep(HttpAnswer{});
    const CallOutcome outcome = host->call({.operation = "fetch"}, {step});
    ASSERT_TRUE(outcome.error) << message;
    EXPECT_EQ(outcome.error->message, message);
  }
}

TEST(Sdk, the_entry_describes_the_plugin_and_nothing_else) {
  const auto* factory = static_cast<const trv_factory*>(trv_entry_v1.get_factory(TRV_FACTORY_ID));
  ASSERT_NE(factory, nullptr);
  EXPECT_EQ(trv_entry_v1.get_factory("trv.factory/2"), nullptr);
  ASSERT_EQ(factory->count(), 1U);
  EXPECT_EQ(view(factory->describe(0)->id), "sample");
  EXPECT_EQ(view(factory->describe(0)->version), "1.2.3");
  EXPECT_EQ(factory->describe(1), nullptr);
}

TEST(HttpFailure, retry_after_is_seconds_or_a_date_against_the_services_own_clock) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784'111'777U);
  EXPECT_EQ(parse_http_date("Thu, 29 Feb 2024 00:00:00 GMT"), 1'709'164'800U);
  for (const char* bad :
       {"", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT"})
    EXPECT_FALSE(parse_http_date(bad)) << bad;
  const auto wait = [](const char* after, const char* date) {
    return retry_after_ms({.status = 429, .headers = {{"retry-after", after}, {"Date", date}}});
  };
  EXPECT_EQ(wait("30", "x"), 30'000U);
  EXPECT_EQ(wait("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:27 GMT"), 10'000U);
  EXPECT_EQ(wait("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 09:49:27 GMT"), 0U);
  EXPECT_EQ(wait("soon", "x"), 0U);
  EXPECT_EQ(wait("-1", "x"), 0U);
  EXPECT_EQ(wait("999999999999", "x"), retry_after_ms_max);
}

TEST(HttpFailure, a_status_tells_whether_a_retry_is_safe) {
  EXPECT_EQ(failure_of_status({.status = 422}, "").code, Code::invalid);
  EXPECT_EQ(failure_of_status({.status = 422}, "").retry, Retry::never);
  EXPECT_EQ(failure_of_status({.status = 503}, "").code, Code::unavailable);
  EXPECT_EQ(failure_of_status({.status = 503}, "").retry, Retry::safe);
  EXPECT_EQ(failure_of_status({.status = 429}, "").code, Code::exhausted);
}

TEST(Text, utf8_is_distinguished_from_other_bytes) {
  for (const char* good : {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad : {"\xff", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xf8\x88\x80\x80\x80", "a\x80", "\xe2\x82"})
    EXPECT_FALSE(is_utf8(bad));
}

TEST(Text, a_path_segment_stays_one_segment) {
  EXPECT_EQ(path_segment("a/b c?\xc3\xa9~"), "a%2Fb%20c%3F%C3%A9~");
  EXPECT_EQ(path_segment("..."), "...");
  for (const char* bad : {"", ".", ".."}) EXPECT_FALSE(path_segment(bad)) << bad;
}

}  // namespace
}  // namespace trv::sdk
