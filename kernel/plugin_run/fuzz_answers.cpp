#include "kernel/plugin_run/fuzz_answers.hpp"

#include <array>
#include <utility>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/plugin_run/fuzz_input.hpp"

namespace trv::plugin_run {
namespace {

constexpr std::array<std::uint32_t, 20> statuses = {200, 200, 200, 200, 200, 200, 201, 201, 202, 204,
                                                    301, 400, 401, 403, 404, 409, 422, 429, 500, 503};
constexpr std::size_t asked_max = 1'000;

constexpr std::size_t names_max = 200;

/// Names of members in schemas, which services often use, too.
void gather_names(const json::Value& schema, std::vector<std::string>& names) {
  if (schema.is_array()) {
    for (const json::Value& one : schema.items()) gather_names(one, names);
  }
  if (!schema.is_object() || names.size() >= names_max) return;
  if (const json::Value* properties = schema.find("properties"); properties != nullptr && properties->is_object()) {
    for (const json::Entry& one : properties->entries()) names.emplace_back(one.name());
  }
  for (const json::Entry& one : schema.entries()) gather_names(one.value, names);
}

}  // namespace

std::vector<std::string> answer_names(const package::Manifest& manifest) {
  std::vector<std::string> names = {"id", "name", "items", "data", "error", "message", "next", "total", "url", "key"};
  for (const package::Operation& operation : manifest.operations) {
    if (const auto output = json::parse(operation.output, {.depth_max = 512})) gather_names(*output, names);
  }
  return names;
}

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

base::Result<egress::Response> FuzzAnswers::first_of(std::uint64_t seed) {
  const std::lock_guard lock(mutex());
  random_ = base::SimulatedRandom(seed);
  return make_answer();
}

base::Result<egress::Response> FuzzAnswers::answer_to(const egress::Request& request) {
  auto answer = make_answer();
  if (asked_.size() < asked_max) asked_.push_back(exchange_of(request, answer));
  return answer;
}

}  // namespace trv::plugin_run
