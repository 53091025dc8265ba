// Evaluates jq programs as workflows do: what compare.py holds against jq. Input: one JSON object a line,
// {"program": text, "inputs": [value, …]}. Output: one line each, {"refused": message} where the program does not
// compile, else {"results": [[output, …] or message, …]}, one result for each input.

#include <iostream>
#include <string>
#include <utility>

#include "kernel/expression/program.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"

namespace {

namespace expression = trv::expression;
namespace json = trv::json;

json::Value run(const json::Value& job) {
  const auto program = expression::compile(job.find("program")->as_string());
  if (!program) return {{"refused", program.error().message()}};
  json::Value results = json::Value::array();
  for (const json::Value& input : job.find("inputs")->items()) {
    auto outputs = expression::evaluate_all(*program, input);
    results.push_back(outputs ? json::Value::array(*std::move(outputs)) : json::Value(outputs.error().message()));
  }
  return {{"results", std::move(results)}};
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto job = json::parse(line, {.large_numbers = json::LargeNumbers::largest});
    if (!job || job->find("program") == nullptr || job->find("inputs") == nullptr) {
      std::cerr << "a line that is not {\"program\": text, \"inputs\": [...]}: " << line.substr(0, 200) << '\n';
      return 1;
    }
    std::cout << json::serialize(run(*job)) << std::endl;
  }
  return 0;
}
