#include "kernel/plugin_run/fuzz_answers.hpp"

#include <array>
#include <utility>

#include "kernel/json/serialize.hpp"
#include "kernel/plugin_run/fuzz_input.hpp"

namespace trv::plugin_run {
namespace {

constexpr std::array<std::uint32_t, 20> statuses = {200, 200, 200, 200, 200, 200, 201, 201, 202, 204,
                                                    301, 400, 401, 403, 404, 409, 422, 429, 500, 503};
constexpr std::size_t asked_max = 1'000;

}  // namespace

std::vector<Exchange> FuzzAnswers::begin(std::uint64_t seed) {
  const std::lock_guard lock(mutex());
  random_ = base::SimulatedRandom(seed);
  return std::exchange(asked_, {});
}

/// Most services answer with an object, and a plugin looks into nothing else.
json::Value FuzzAnswers::odd_object() {
  json::Value object = json::Value::object();
  for (const std::string& name : names_) {
    if (random_.below(3) != 0) object.set(name, odd_json(random_, names_, 2));
  }
  return object;
}

base::Result<egress::Response> FuzzAnswers::make_answer() {
  if (random_.below(16) == 0) return base::fail(base::ErrorCode::unavailable, "the connection was reset");
  egress::Response response;
  response.status = statuses[random_.below(statuses.size())];
  response.headers = {{"content-type", "application/json"}};
  if (random_.below(4) == 0) response.headers.push_back({"retry-after", random_.below(2) == 0 ? "1" : "soon"});
  if (random_.below(4) == 0) response.headers.push_back({"link", "<https://service/next?page=2>; rel=\"next\""});
  if (response.status == 204) return response;
  switch (random_.below(8)) {
    case 0: response.body = odd_text(random_); break;
    case 1: response.body = "{\"cut\":"; break;
    case 2: response.body = json::serialize(odd_json(random_, names_, 4)); break;
    default: response.body = json::serialize(odd_object());
  }
  return response;
}

base::Result<egress::Response> FuzzAnswers::answer_to(const egress::Request& request) {
  auto answer = make_answer();
  if (asked_.size() < asked_max) asked_.push_back(exchange_of(request, answer));
  return answer;
}

}  // namespace trv::plugin_run
