// The scenarios of the specification's conformance kit, from the feature files as they are. What uses a part of the
// language that is not executed yet is skipped by name; everything else must hold. The network is a fake pet store.

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>
#include <regex>
#include <set>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

using json::Value;

struct Step {
  std::string text;
  std::string document;
};
struct Scenario {
  std::string feature;
  std::string name;
  std::vector<Step> steps;
};

std::string trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

std::vector<Scenario> scenarios_of(const std::filesystem::path& file) {
  std::vector<Scenario> out;
  std::ifstream stream(file);
  std::string line;
  bool in_document = false;
  std::size_t indentation = 0;
  while (std::getline(stream, line)) {
    const std::string text = trim(line);
    if (text.starts_with("\"\"\"")) {
      in_document = !in_document;
      indentation = line.find('"');
      continue;
    }
    if (in_document) {
      out.back().steps.back().document += (line.size() > indentation ? line.substr(indentation) : "") + "\n";
    } else if (text.starts_with("Scenario:")) {
      out.push_back({file.stem().string(), trim(text.substr(9)), {}});
    } else if (!out.empty() && !text.empty() && !text.starts_with("#")) {
      std::string step = text;
      for (const std::string_view word : {"Given ", "When ", "Then ", "And given ", "And "}) {
        if (step.starts_with(word)) {
          step.erase(0, word.size());
          break;
        }
      }
      out.back().steps.push_back({step, {}});
    }
  }
  return out;
}

Value yaml_value(const std::string& text) {
  return good(json::parse(to_json(good(definition::read(text, definition::Format::yaml)))));
}

const Value* path(const Value& value, std::string_view dotted) {
  const Value* at = &value;
  while (at != nullptr && !dotted.empty()) {
    const std::size_t dot = std::min(dotted.find('.'), dotted.size());
    at = at->find(dotted.substr(0, dot));
    dotted.remove_prefix(std::min(dot + 1, dotted.size()));
  }
  return at;
}

std::vector<std::string> quoted(const std::string& text) {
  std::vector<std::string> out;
  static const std::regex pattern("'([^']*)'");
  for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it) out.push_back((*it)[1]);
  return out;
}

/// The address that the pet store's document gives for an operation, as the performer would find it there.
std::string operation_address(const Value& request) {
  EXPECT_EQ(request.find("document")->as_string(), "https://petstore.swagger.io/v2/swagger.json");
  const std::string_view id = request.find("operationId")->as_string();
  const Value& parameters = *request.find("parameters");
  const std::string base = "https://petstore.swagger.io/v2/pet/";
  if (id == "findPetsByStatus")
    return base + "findByStatus?status=" + std::string(parameters.find("status")->as_string());
  EXPECT_EQ(id, "getPetById");
  return base + json::serialize(*parameters.find("petId"));
}

/// What the two hosts answer: a status, and what the task asks for of the answer.
std::pair<std::uint32_t, std::string> answer(const Value& request) {
  const std::string endpoint = request.find("document") != nullptr ? operation_address(request)
                                                                   : std::string(request.find("endpoint")->as_string());
  const auto respond = [&](std::uint32_t status, std::string_view body) -> std::pair<std::uint32_t, std::string> {
    const Value* output = request.find("output");
    if (output == nullptr) return {status, std::string(body)};
    if (output->as_string() == "raw") return {status, '"' + base::to_base64(base::as_bytes(body)) + '"'};
    return {
        status,
        fmt::format(
            R"({{"request":{{"method":"GET","uri":"{}","headers":{{}}}},"statusCode":{},"headers":{{"content-type":"application/json"}},"content":{}}})",
            endpoint, status, body)};
  };
  if (endpoint.ends_with("/v2/pet/findByStatus?status=available")) {
    return respond(200, R"([{"id":1,"name":"Rex","status":"available"}])");
  }
  for (const int id : {1, 2}) {
    if (endpoint.ends_with(fmt::format("/v2/pet/{}", id))) {
      return respond(200, fmt::format(R"({{"id":{},"name":"Rex","status":"available"}})", id));
    }
  }
  const std::string login = "https://httpbin.org/basic-auth/";
  if (endpoint.starts_with(login)) {
    const Value* given = request.find("authentication");
    const auto text = [&](std::string_view name) { return std::string(given->find(name)->as_string()); };
    const bool known =
        given != nullptr && text("scheme") == "basic" && endpoint == login + text("username") + '/' + text("password");
    return known ? respond(200, R"({"authenticated":true})") : respond(401, "null");
  }
  return respond(404, R"({"message":"Pet not found"})");
}

class Play {
 public:
  void given(const Step& step) {
    if (step.text == "a workflow with definition:") {
      definition_ = step.document;
    } else if (step.text == "given the workflow input is:" || step.text == "the workflow input is:") {
      input_ = json::serialize(yaml_value(step.document));
    } else if (step.text == "the workflow is executed") {
      execute();
    } else {
      check(step);
    }
  }

 private:
  void execute() {
    id_ = kernel_.start(kernel_.apply_text(definition_), input_);
    for (auto effects = kernel_.pending(); !effects.empty(); effects = kernel_.pending()) {
      for (const auto& effect : effects) {
        if (effect.kind == "event") {
          (void)good(kernel_.succeed(effect.key, effect.input));
          continue;
        }
        ASSERT_EQ(effect.kind, "http");
        const auto [status, output] = answer(good(json::parse(effect.input)));
        (void)good(kernel_.answer(effect.key, status, output));
      }
    }
    detail_ = kernel_.detail(id_);
    if (!detail_.output.empty()) output_ = good(json::parse(detail_.output));
    for (const InstanceStep& step : kernel_.timeline(id_)) {
      if (!step.task.empty() && step.outcome != "skipped" && step.outcome != "started") ran_.push_back(step.task);
    }
  }

  [[nodiscard]] std::ptrdiff_t place(const std::string& task) const {
    return std::find(ran_.begin(), ran_.end(), task) - ran_.begin();
  }

  void check(const Step& step) {
    std::smatch match;
    const std::string& text = step.text;
    if (text == "the workflow should complete") {
      EXPECT_EQ(detail_.summary.status, Status::completed) << detail_.error;
    } else if (text == "the workflow should complete with output:") {
      EXPECT_EQ(detail_.summary.status, Status::completed) << detail_.error;
      EXPECT_TRUE(output_ == yaml_value(step.document)) << detail_.output;
    } else if (text == "the workflow should fault") {
      EXPECT_EQ(detail_.summary.status, Status::faulted);
    } else if (text == "the workflow should fault with error:") {
      EXPECT_EQ(detail_.summary.status, Status::faulted);
      EXPECT_TRUE(good(json::parse(detail_.error)) == yaml_value(step.document)) << detail_.error;
    } else if (text.starts_with("the workflow output should have properties")) {
      for (const std::string& name : quoted(text))
        EXPECT_NE(path(output_, name), nullptr) << name << " " << detail_.output;
    } else if (text.ends_with("property with value:")) {
      const Value* found = path(output_, quoted(text).at(0));
      ASSERT_NE(found, nullptr) << text;
      EXPECT_TRUE(*found == yaml_value(step.document)) << json::serialize(*found);
    } else if (std::regex_match(text, match, std::regex(".* property containing ([0-9]+) items"))) {
      const Value* found = path(output_, quoted(text).at(0));
      ASSERT_NE(found, nullptr) << text;
      EXPECT_EQ(found->size(), std::stoul(match[1])) << json::serialize(*found);
    } else if (std::regex_match(text, match, std::regex("(.*) should run first"))) {
      EXPECT_EQ(place(match[1]), 0);
    } else if (std::regex_match(text, match, std::regex("(.*) should run last"))) {
      EXPECT_EQ(place(match[1]), std::ssize(ran_) - 1);
    } else if (std::regex_match(text, match, std::regex("(.*) should run after (.*)"))) {
      EXPECT_GT(place(match[1]), place(match[2]));
      EXPECT_LT(place(match[1]), std::ssize(ran_));
    } else {
      ADD_FAILURE() << "this runner does not know the step: " << text;
    }
  }

  TestKernel kernel_;
  std::string definition_;
  std::string input_;
  InstanceId id_;
  InstanceDetail detail_;
  Value output_;
  std::vector<std::string> ran_;
};

TEST(Conformance, every_scenario_of_the_kit_holds_or_uses_what_is_not_supported_yet) {
  const char* given = std::getenv("TRV_CONFORMANCE_DIR");
  const std::filesystem::path folder =
      std::filesystem::path(given != nullptr ? given : TRV_SOURCE_DIR "/../shared/conformance") / "open-workflow/ctk";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no conformance kit at " << folder;
  std::set<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().extension() == ".feature") files.insert(file.path());
  }
  int held = 0;
  int skipped = 0;
  for (const auto& file : files) {
    for (const Scenario& scenario : scenarios_of(file)) {
      SCOPED_TRACE(scenario.feature + ": " + scenario.name);
      const auto compiled = definition::compile(scenario.steps.front().document, definition::Format::yaml);
      if (!compiled) {
        ++skipped;
        EXPECT_NE(compiled.error().message().find("is not supported yet"), std::string::npos)
            << compiled.error().message();
        std::cout << "skipped " << scenario.feature << ": " << scenario.name << ": " << compiled.error().message()
                  << "\n";
        continue;
      }
      Play play;
      for (const Step& step : scenario.steps) play.given(step);
      if (!::testing::Test::HasFailure()) ++held;
    }
  }
  std::cout << "conformance kit: " << held << " scenarios hold, " << skipped << " are not supported yet\n";
  EXPECT_EQ(held, 21);
  EXPECT_EQ(skipped, 0);
}

}  // namespace
}  // namespace trv::instance::testing
