// What the server promises to well-behaved clients.
#include "kernel/http/server.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "kernel/http/testing/raw_client.hpp"
#include "kernel/http/testing/running_server.hpp"

namespace trv::http {
namespace {

using namespace std::chrono_literals;

Router small_router() {
  Router router;
  router.route("GET", "/hello", [](const Request&, Responder responder) { responder.send(text(200, "hello")); });
  router.route("POST", "/echo", [](const Request& request, Responder responder) {
    responder.send(text(200, std::string(request.body())));
  });
  router.route("GET", "/things/{id}", [](const Request& request, Responder responder) {
    responder.send(text(
        200, std::string(request.parameter("id")) + "|" + std::string(request.query("q").value_or("-")) + "|" +
                 std::string(request.header("x-Some").value_or("-")) + "|" + std::string(request.remote_address())));
  });
  return router;
}

TEST(server, answers_a_request) {
  RunningServer running(small_router());
  RawClient client(running.port());
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  const RawAnswer answer = client.read_answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.headers.at("content-type"), "text/plain; charset=utf-8");
  EXPECT_EQ(answer.headers.at("date").size(), 29u);
  EXPECT_FALSE(answer.headers.at("x-request-id").empty());
  EXPECT_FALSE(answer.headers.contains("connection"));
}

// Waits until it may go on, as a handler does that asks a plugin.
struct Waiting {
  std::promise<void> begun;
  std::promise<void> may_go_on;
  [[nodiscard]] Router router() {
    Router router = small_router();
    router.route("GET", "/slow",
                 [this, calls = 0](const Request&, Responder responder) mutable {
                   if (calls++ == 0) {
                     begun.set_value();
                     may_go_on.get_future().wait();
                   }
                   responder.send(text(200, "slow"));
                 },
                 {.may_wait = true});
    return router;
  }
};

TEST(server, a_handler_that_may_wait_delays_no_other_request) {
  Waiting waiting;
  RunningServer running(waiting.router(), {.threads = 1, .workers = 1});
  RawClient slow(running.port());
  slow.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  waiting.begun.get_future().wait();
  for (int i = 0; i < 10; ++i) {
    RawClient client(running.port());
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(client.read_answer().body, "hello");
  }
  waiting.may_go_on.set_value();
  EXPECT_EQ(slow.read_answer().body, "slow");
}

TEST(server, a_thread_that_hangs_in_a_handler_has_not_moved) {
  std::promise<void> begun;
  std::promise<void> may_go_on;
  Router router;
  router.route("GET", "/hang", [&](const Request&, Responder responder) {
    begun.set_value();
    may_go_on.get_future().wait();
    responder.send(text(200, "done"));
  });
  RunningServer running(std::move(router), {.threads = 2});
  const auto moves = [&] {
    for (int i = 0; i < 500; ++i) {
      if (running.server().has_moved()) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  };
  EXPECT_TRUE(moves());
  RawClient client(running.port());
  client.send("GET /hang HTTP/1.1\r\nHost: x\r\n\r\n");
  begun.get_future().wait();
  static_cast<void>(running.server().has_moved());  // what it did before
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(10ms);
    EXPECT_FALSE(running.server().has_moved()) << i;
  }
  may_go_on.set_value();
  EXPECT_EQ(client.read_answer().body, "done");
  EXPECT_TRUE(moves());
}

TEST(server, more_requests_than_may_wait_for_a_worker_are_503) {
  Waiting waiting;
  RunningServer running(waiting.router(), {.threads = 1, .workers = 1, .workers_waiting_max = 1});
  RawClient first(running.port());
  first.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  waiting.begun.get_future().wait();
  RawClient second(running.port());
  RawClient third(running.port());
  second.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  third.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  const RawAnswer refused = third.read_answer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  waiting.may_go_on.set_value();
  EXPECT_EQ(first.read_answer().body, "slow");
  EXPECT_EQ(second.read_answer().body, "slow");
}

TEST(server, before_it_is_open_only_routes_for_that_time_are_served) {
  Router router = small_router();
  router.route("GET", "/livez", [](const Request&, Responder responder) { responder.send(text(200, "ok")); },
               {.before_open = true});
  RunningServer running(std::move(router), {.opens_at_start = false});
  const auto get = [&](const std::string& path) {
    RawClient client(running.port());
    client.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    return client.read_answer();
  };
  EXPECT_EQ(get("/livez").body, "ok");
  const RawAnswer early = get("/hello");
  EXPECT_EQ(early.status, 503);
  EXPECT_EQ(early.headers.at("retry-after"), "1");
  running.server().open();
  EXPECT_EQ(get("/hello").body, "hello");
}

TEST(server, hands_over_parameters_query_headers_and_peer) {
  RunningServer running(small_router());
  RawClient client(running.port());
  client.send("GET /things/a%20b?q=1%2B1 HTTP/1.1\r\nHost: x\r\nX-SOME:  value \r\n\r\n");
  EXPECT_EQ(client.read_answer().body, "a b|1+1|value|127.0.0.1");
}

TEST(server, keeps_a_well_formed_request_id_and_replaces_another) {
  RunningServer running(small_router());
  RawClient client(running.port());
  client.send("GET /nowhere HTTP/1.1\r\nHost: x\r\nX-Request-Id: my-id.1_A\r\n\r\n");
  const RawAnswer kept = client.read_answer();
  EXPECT_EQ(kept.headers.at("x-request-id"), "my-id.1_A");
  EXPECT_EQ(boost::json::parse(kept.body).at("instance"), "my-id.1_A");
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\"b\r\n\r\n");
  EXPECT_EQ(client.read_answer().headers.at("x-request-id").size(), 25u);
}

TEST(server, a_request_may_come_byte_by_byte) {
  RunningServer running(small_router());
  RawClient client(running.port());
  for (const char c : std::string_view("\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                                       "5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: t\r\n\r\n")) {
    ASSERT_TRUE(client.send({&c, 1}));
    std::this_thread::sleep_for(200us);
  }
  EXPECT_EQ(client.read_answer().body, "hello world");
}

TEST(server, an_empty_chunked_body_may_come_byte_by_byte) {
  RunningServer running(small_router());
  RawClient client(running.port());
  for (const char c :
       std::string_view("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")) {
    ASSERT_TRUE(client.send({&c, 1}));
    std::this_thread::sleep_for(500us);
  }
  const RawAnswer answer = client.read_answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "");
}

TEST(server, two_requests_in_one_packet_are_answered_in_order) {
  RunningServer running(small_router());
  RawClient client(running.port());
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, "abc");
  EXPECT_EQ(client.read_answer().body, "hello");
}

TEST(server, a_thousand_requests_use_one_connection) {
  RunningServer running(small_router());
  RawClient client(running.port());
  for (int i = 0; i < 1000; ++i) {
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_EQ(client.read_answer().status, 200) << i;
  }
  EXPECT_EQ(running.server().connections(), 1u);
}

TEST(server, many_pipelined_requests_of_many_bytes_are_all_answered) {
  RunningServer running(small_router());
  RawClient client(running.port());
  const std::string body(20'000, 'b');
  std::thread sender([&] {
    for (int i = 0; i < 200; ++i) {
      client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n" + body);
    }
  });
  for (int i = 0; i < 200; ++i) ASSERT_EQ(client.read_answer().body.size(), body.size());
  sender.join();
}

TEST(server, two_hundred_connections_are_served_at_once) {
  RunningServer running(small_router(), {.threads = 2});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(std::make_unique<RawClient>(running.port()));
  for (int round = 0; round < 3; ++round) {
    for (auto& client : clients) ASSERT_TRUE(client->send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
    for (auto& client : clients) ASSERT_EQ(client->read_answer().status, 200);
  }
  EXPECT_EQ(running.server().connections(), 200u);
}

TEST(server, one_connection_too_many_is_reported_so) {
  RunningServer running(small_router(), {.connections_max = 2});
  RawClient first(running.port());
  RawClient second(running.port());
  for (RawClient* client : {&first, &second}) {
    client->send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(client->read_answer().status, 200);
  }
  RawClient third(running.port());
  const RawAnswer refused = third.read_answer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  EXPECT_TRUE(third.closes());
}

TEST(server, head_sends_the_length_but_no_body) {
  RunningServer running(small_router());
  RawClient client(running.port());
  client.send("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read_answer(true).headers.at("content-length"), "5");
  EXPECT_EQ(client.read_answer().body, "hello");
}

TEST(server, options_tells_the_methods) {
  RunningServer running(small_router());
  RawClient client(running.port());
  client.send("OPTIONS /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  const RawAnswer answer = client.read_answer();
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.headers.at("allow"), "GET, HEAD, OPTIONS");
  client.send("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 204);
}

TEST(server, an_unknown_path_is_404_and_a_wrong_method_405_on_a_living_connection) {
  RunningServer running(small_router());
  RawClient client(running.port());
  client.send("POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
  const RawAnswer unknown = client.read_answer();
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.headers.at("content-type"), "application/problem+json");
  EXPECT_EQ(boost::json::parse(unknown.body).at("type"), "urn:travertine:problem:not_found");
  client.send("DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  const RawAnswer wrong = client.read_answer();
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.at("allow"), "GET, HEAD, OPTIONS");
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 200);
}

TEST(server, expect_100_continue_is_met_before_the_body_comes) {
  RunningServer running(small_router());
  RawClient client(running.port());
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 100);
  client.send("body");
  EXPECT_EQ(client.read_answer().body, "body");
  client.send("POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 404);
  EXPECT_TRUE(client.closes());
}

TEST(server, http_1_0_closes_unless_asked_to_keep_alive) {
  RunningServer running(small_router());
  RawClient client(running.port());
  client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(client.read_answer().headers.at("connection"), "keep-alive");
  client.send("GET /hello HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.read_answer().headers.at("connection"), "close");
  EXPECT_TRUE(client.closes());
}

TEST(server, a_client_that_has_ended_sending_is_still_answered) {
  RunningServer running(small_router());
  RawClient client(running.port());
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  client.end_sending();
  EXPECT_EQ(client.read_answer().body, "hello");
  EXPECT_TRUE(client.closes());
}

TEST(server, a_route_may_take_larger_bodies_than_the_server) {
  Router router = small_router();
  router.route("PUT", "/large",
               [](const Request& request, Responder responder) {
                 responder.send(text(200, std::to_string(request.body().size())));
               },
               {.body_bytes_max = 3'000'000});
  RunningServer running(std::move(router));
  RawClient client(running.port());
  client.send("PUT /large HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n" + std::string(3'000'000, 'x'));
  EXPECT_EQ(client.read_answer().body, "3000000");
  client.send("PUT /large HTTP/1.1\r\nHost: x\r\nContent-Length: 3000001\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 413);
}

TEST(responder, answers_later_from_another_thread) {
  std::vector<std::thread> threads;
  Router router;
  router.route("GET", "/later/{id}", [&](const Request&, Responder responder) {
    threads.emplace_back([kept = std::move(responder)]() mutable {
      std::this_thread::sleep_for(20ms);
      kept.send(text(200, std::string(kept.request().parameter("id"))));
    });
  });
  RunningServer running(std::move(router));
  RawClient client(running.port());
  for (int i = 0; i < 3; ++i) {
    client.send("GET /later/" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(client.read_answer().body, std::to_string(i));
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(responder, dropped_answers_500_and_is_logged) {
  Router router;
  router.route("GET", "/drop", [](const Request&, Responder) {});
  router.route("GET", "/throw", [](const Request&, Responder) { throw std::runtime_error("oh"); });
  router.route("GET", "/fail", [](const Request&, Responder responder) {
    responder.fail(base::Error(base::ErrorCode::corrupt, "page 7 is torn"));
  });
  router.route("GET", "/forge",
               [](const Request&, Responder responder) { responder.send(empty(204).with("Location", "a\r\nb: c")); });
  RunningServer running(std::move(router));
  RawClient client(running.port());
  for (const char* path : {"/drop", "/throw", "/fail", "/forge"}) {
    client.send(std::string("GET ") + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    const RawAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, 500) << path;
    EXPECT_EQ(boost::json::parse(answer.body).at("instance"), boost::json::string(answer.headers.at("x-request-id")));
    EXPECT_EQ(answer.body.find("page 7"), std::string::npos);
  }
  const std::string log = running.log_text();
  EXPECT_NE(log.find("/drop was dropped unanswered"), std::string::npos) << log;
  EXPECT_NE(log.find("/throw threw: oh"), std::string::npos) << log;
  EXPECT_NE(log.find("corrupt: page 7 is torn"), std::string::npos) << log;
}

TEST(responder, may_outlive_client_and_server) {
  std::promise<Responder> kept;
  Router router;
  router.route("GET", "/keep/{id}", [&](const Request&, Responder responder) { kept.set_value(std::move(responder)); });
  std::optional<Responder> responder;
  {
    RunningServer running(std::move(router));
    RawClient client(running.port());
    client.send("GET /keep/me HTTP/1.1\r\nHost: x\r\n\r\n");
    responder.emplace(kept.get_future().get());
    running.server().stop(0ms);
    EXPECT_TRUE(client.closes());
  }
  EXPECT_EQ(responder->request().parameter("id"), "me");
  EXPECT_EQ(responder->request().route(), "/keep/{id}");
  EventStream stream = responder->stream();
  EXPECT_EQ(stream.write("data: d\n\n"), 0U);
}

TEST(server, stop_lets_a_request_in_flight_be_answered_and_closes_idle_ones) {
  std::promise<Responder> kept;
  Router router = small_router();
  router.route("GET", "/slow", [&](const Request&, Responder responder) { kept.set_value(std::move(responder)); });
  RunningServer running(std::move(router), {.threads = 2});
  RawClient idle(running.port());
  idle.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(idle.read_answer().status, 200);
  RawClient busy(running.port());
  busy.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  Responder responder = kept.get_future().get();
  std::thread stopper([&] { running.server().stop(10s); });
  EXPECT_TRUE(idle.closes());
  responder.send(text(200, "done"));
  const RawAnswer answer = busy.read_answer();
  EXPECT_EQ(answer.body, "done");
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_TRUE(busy.closes());
  stopper.join();
  EXPECT_FALSE(RawClient(running.port()).connected());
}

TEST(server, stop_cuts_what_outlasts_the_grace) {
  std::promise<Responder> kept;
  Router router;
  router.route("GET", "/slow", [&](const Request&, Responder responder) { kept.set_value(std::move(responder)); });
  RunningServer running(std::move(router));
  RawClient client(running.port());
  client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  Responder responder = kept.get_future().get();
  const auto began = std::chrono::steady_clock::now();
  running.server().stop(100ms);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
  EXPECT_TRUE(client.closes());
  responder.send(text(200, "too late"));
}

TEST(server, a_port_in_use_is_a_conflict_that_names_it) {
  RunningServer running(small_router());
  base::SystemClock clock;
  base::SystemRandom random;
  const auto log = spdlog::default_logger();
  Server second({.port = running.port()}, small_router(), clock, random, log);
  const base::Status started = second.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), base::ErrorCode::conflict);
  EXPECT_NE(started.error().message().find("127.0.0.1:" + std::to_string(running.port()) + " is in use"),
            std::string::npos);
  running.server().stop(1s);
  EXPECT_TRUE(second.start());
}

TEST(server, bad_options_are_refused_by_name) {
  base::SystemClock clock;
  base::SystemRandom random;
  const auto log = spdlog::default_logger();
  for (const ServerOptions& options : {ServerOptions{.address = "localhost"}, ServerOptions{.address = "192.0.2.1"},
                                       ServerOptions{.threads = 0}, ServerOptions{.header_bytes_max = 1}}) {
    Server server(options, small_router(), clock, random, log);
    const base::Status started = server.start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code(), base::ErrorCode::invalid) << started.error().message();
  }
}

TEST(server, tells_its_observer_every_answer) {
  std::atomic<int> answered{0};
  ServerOptions options;
  options.on_answered = [&](const Request& request, int status, base::Duration took) {
    if (request.route() == "/hello" && status == 200 && took.count() >= 0) ++answered;
  };
  RunningServer running(small_router(), options);
  RawClient client(running.port());
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 200);
  running.server().stop(1s);
  EXPECT_EQ(answered, 1);
}

}  // namespace
}  // namespace trv::http
