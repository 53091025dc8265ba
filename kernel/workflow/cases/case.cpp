// Reading a file of cases.

#include "kernel/workflow/cases/case.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/parse.hpp"
#include "kernel/workflow/definition/check.hpp"
#include "kernel/workflow/definition/compiler.hpp"
#include "kernel/workflow/definition/duration.hpp"
#include "kernel/workflow/definition/expansion.hpp"
#include "sdk/base/contract.hpp"

namespace trv::cases {
namespace {

using definition::Entry;
using definition::Fields;
using definition::Format;
using definition::Problems;
using json::Value;

/// 2026-01-01T00:00:00Z
constexpr base::Timestamp begins_default{1'767'225'600'000'000'000};

Value value_of(const Node& node) {
  auto value = json::parse(definition::to_json(node));
  TRV_ASSERT(value.has_value());
  return *std::move(value);
}

class CaseReader {
 public:
  CaseReader(Problems& problems, const ReadFile& read_file) : problems_(problems), read_file_(read_file) {}

  Case read(const Node& node, std::size_t number) {
    Case out;
    out.position = node.position;
    Fields fields(problems_, node, fmt::format("case {}", number));
    out.name = fields.required_text("name");
    const Node* workflow = fields.require("workflow");
    const Node* others = fields.get("others", Node::Kind::sequence);
    functions_ = fields.get("functions", Node::Kind::mapping);
    const Node* begins = fields.get("begins", Node::Kind::string);
    const Node* until = fields.get("until");
    const Node* input = fields.get("input");
    const Node* start = fields.get("start", Node::Kind::boolean);
    const Node* events = fields.get("events", Node::Kind::sequence);
    const Node* cancel = fields.get("cancel");
    const Node* answers = fields.get("answers", Node::Kind::sequence);
    const Node* expected = fields.require("expect", Node::Kind::mapping);
    fields.finish();

    const bool may_be_refused = expected != nullptr && expected->find("refused") != nullptr;
    if (workflow != nullptr) add_workflow(out, *workflow, may_be_refused);
    for (const Node* other : items(others, "others")) add_workflow(out, *other, false);
    out.begins = begins_default;
    if (begins != nullptr) {
      const auto time = base::Timestamp::from_rfc3339(begins->text);
      if (!time) problems_.add(begins->position, "'begins' must be a time such as 2026-03-01T12:00:00Z");
      if (time) out.begins = *time;
    }
    if (until != nullptr) out.until = duration(*until, out.begins);
    if (start == nullptr || start->boolean) {
      Input first{.kind = Input::Kind::start, .at = {}, .value = {}, .has_value = input != nullptr};
      if (input != nullptr) first.value = value_of(*input);
      out.inputs.push_back(std::move(first));
    } else if (input != nullptr) {
      problems_.add(input->position, "'input' has no meaning where 'start' is false: nobody starts the workflow");
    }
    for (const Node* event : items(events, "events")) out.inputs.push_back(read_event(*event, out.begins));
    if (cancel != nullptr) {
      out.inputs.push_back(read_cancel(*cancel, out.begins));
    }
    std::ranges::stable_sort(out.inputs, {}, &Input::at);
    for (const Node* answer : items(answers, "answers")) out.answers.push_back(read_answer(*answer, out.begins));
    if (expected != nullptr) {
      out.expected = *expected;
      check_expected(*expected);
    }
    return out;
  }

 private:
  std::vector<const Node*> items(const Node* list, std::string_view what) {
    std::vector<const Node*> out;
    if (list == nullptr) return out;
    if (list->items.size() > items_max) {
      problems_.add(list->position,
                    fmt::format("'{}' has {} items, at most {} are allowed", what, list->items.size(), items_max));
    }
    for (const Node& item : list->items) out.push_back(&item);
    return out;
  }

  /// A time, or {at, compensate}.
  Input read_cancel(const Node& node, base::Timestamp begins) {
    Input out{.kind = Input::Kind::cancel, .at = {}, .value = {}};
    const bool is_long = node.find("at") != nullptr || node.find("compensate") != nullptr;
    if (!is_long) {
      out.at = duration(node, begins);
      return out;
    }
    Fields fields(problems_, node, "'cancel'");
    if (const Node* at = fields.require("at")) out.at = duration(*at, begins);
    const Node* compensate = fields.get("compensate", Node::Kind::boolean);
    out.compensates = compensate != nullptr && compensate->boolean;
    fields.finish();
    return out;
  }

  base::Duration duration(const Node& node, base::Timestamp from) {
    const auto read = definition::duration_of(value_of(node));
    const auto length = read ? read->from(from) : base::Result<base::Duration>(base::fail(read.error()));
    if (length) return *length;
    problems_.add(node.position, length.error().message());
    return {};
  }

  /// A definition without `document` gets one, so that a short case stays short.
  static Node with_document(const Node& given) {
    if (given.find("document") != nullptr) return given;
    Node document{.kind = Node::Kind::mapping,
                  .position = given.position,
                  .boolean = false,
                  .text = {},
                  .items = {},
                  .entries = {}};
    for (const auto& [key, value] :
         {std::pair("dsl", "1.0.3"), {"namespace", "test"}, {"name", "it"}, {"version", "1.0.0"}}) {
      Node text{.kind = Node::Kind::string,
                .position = given.position,
                .boolean = false,
                .text = value,
                .items = {},
                .entries = {}};
      document.entries.push_back({key, given.position, std::move(text)});
    }
    Node out = given;
    out.entries.insert(out.entries.begin(), Entry{"document", given.position, std::move(document)});
    return out;
  }

  void add_workflow(Case& out, const Node& node, bool may_be_refused) {
    Workflow workflow;
    if (node.is_mapping()) {
      const Node whole = with_document(node);
      workflow.text = definition::to_json(whole);
      workflow.format = Format::json;
      definition::Compiler compiler(workflow.text, whole);
      if (const auto compiled = compiler.run()) workflow.name = compiled->name;
      for (const definition::Problem& problem : compiler.problems().kept()) {
        if (problem.is_warning) continue;
        if (!may_be_refused) problems_.add(problem.position, problem.message);
        workflow.refusals.push_back(problem.message);
      }
    } else if (node.is_string()) {
      add_file(workflow, node, may_be_refused);
    } else {
      problems_.add(node.position, fmt::format("a workflow must be a definition or the path of a file with one, not {}",
                                               definition::describe(node.kind)));
    }
    out.workflows.push_back(std::move(workflow));
  }

  void add_file(Workflow& workflow, const Node& node, bool may_be_refused) {
    auto text = read_file_(node.text);
    if (!text) return problems_.add(node.position, text.error().message());
    workflow.text = *std::move(text);
    workflow.format = node.text.ends_with(".json") ? Format::json : Format::yaml;
    definition::Findings findings = definition::check(workflow.text, workflow.format);
    put_functions(workflow, findings);
    workflow.name = findings.name;
    for (const definition::UnfetchedFunction& function : findings.unfetched) {
      const std::string message = fmt::format(
          "cases use no network, and the function '{}' is fetched when the workflow is applied; write what "
          "it does under this name into 'functions' of the case",
          function.name);
      workflow.refusals.push_back(message);
      if (may_be_refused) continue;
      problems_.add(node.position, node.text + ": " + message);
      return;
    }
    for (const definition::Problem& problem : findings.problems) {
      if (problem.is_warning) continue;
      workflow.refusals.push_back(problem.message);
      if (may_be_refused) continue;
      problems_.add(node.position, fmt::format("{}:{}:{}: {}", node.text, problem.position.line,
                                               problem.position.column, problem.message));
      return;
    }
  }

  /// What a server would fetch, as the case has it.
  void put_functions(Workflow& workflow, definition::Findings& findings) {
    std::vector<definition::FetchedFunction> functions;
    const std::string text = workflow.text;
    while (functions_ != nullptr && !findings.unfetched.empty()) {
      for (const definition::UnfetchedFunction& function : findings.unfetched) {
        if (const Node* body = functions_->find(function.name)) functions.push_back({function, *body});
      }
      if (functions.empty()) return;
      const auto expansion = definition::Expansion::make(text, workflow.format, functions);
      // Each turn has more of them, or is the last.
      if (!expansion || expansion->text() == workflow.text) return;
      workflow.text = expansion->text();
      findings = definition::check(workflow.text, workflow.format);
    }
  }

  Input read_event(const Node& node, base::Timestamp begins) {
    Input out{.kind = Input::Kind::event, .at = {}, .value = Value::object(), .has_value = true};
    if (!node.is_mapping()) {
      problems_.add(node.position, fmt::format("an event must be a mapping, not {}", definition::describe(node.kind)));
      return out;
    }
    for (const Entry& entry : node.entries) {
      if (entry.key == "at") {
        out.at = duration(entry.value, begins);
      } else {
        if (entry.key != "data" && !entry.value.is_string()) {
          problems_.add(entry.value.position, fmt::format("attribute '{}' of an event must be a string, not {}",
                                                          entry.key, definition::describe(entry.value.kind)));
        }
        out.value.set(std::string_view(entry.key), value_of(entry.value));
      }
    }
    if (node.find("type") == nullptr) problems_.missing(node.position, "an event", "type");
    if (node.find("source") == nullptr) out.value.set("source", Value("/cases"));
    // The second of two equal events is one that comes twice only where both say so by their id.
    if (node.find("id") == nullptr) out.value.set("id", Value(fmt::format("event-{}", ++events_)));
    return out;
  }

  Answer read_answer(const Node& node, base::Timestamp begins) {
    Answer out;
    Fields fields(problems_, node, "an answer");
    out.to = fields.required_text("to");
    const Node* one = fields.get("reply");
    const Node* several = fields.get("replies", Node::Kind::sequence);
    fields.finish();
    if (node.is_mapping() && (one == nullptr) == (node.find("replies") == nullptr)) {
      problems_.add(node.position, "an answer must have either 'reply' or 'replies'");
    }
    if (one != nullptr) out.replies.push_back(read_reply(*one, begins));
    for (const Node* reply : items(several, "replies")) out.replies.push_back(read_reply(*reply, begins));
    if (several != nullptr && several->items.empty()) problems_.add(several->position, "'replies' must not be empty");
    return out;
  }

  Reply read_reply(const Node& node, base::Timestamp begins) {
    Reply out;
    out.never = node.is_string() && node.text == "never";
    if (out.never) return out;
    Fields fields(problems_, node, "a reply");
    if (const Node* after = fields.get("after")) out.after = duration(*after, begins);
    if (const Node* status = fields.get("status", Node::Kind::integer)) {
      out.status = static_cast<std::uint32_t>(std::clamp(std::atoll(status->text.c_str()), 0LL, 1'000LL));
      if (out.status < 100 || out.status > 599) {
        problems_.add(status->position, fmt::format("'status' must be from 100 to 599, not {}", status->text));
      }
    }
    if (const Node* headers = fields.get("headers", Node::Kind::mapping)) {
      for (const Entry& entry : headers->entries) out.headers.emplace_back(entry.key, entry.value.text);
    }
    if (const Node* body = fields.get("body")) out.body = value_of(*body);
    if (const Node* output = fields.get("output")) out.output = value_of(*output);
    out.error = fields.text("error");
    out.message = fields.text("message");
    if (const Node* detail = fields.get("detail", Node::Kind::mapping)) out.detail = value_of(*detail);
    fields.finish();
    static constexpr std::string_view codes[] = {"invalid",   "not_found", "conflict", "denied",   "too_large",
                                                 "exhausted", "cancelled", "timeout",  "internal", "unavailable"};
    if (!out.error.empty() && std::ranges::find(codes, out.error) == std::end(codes)) {
      problems_.add(fields.place_of("error"),
                    fmt::format("there is no error '{}'; the codes are {}", out.error, fmt::join(codes, ", ")));
    }
    if (out.error.empty() && !out.message.empty()) {
      problems_.add(fields.place_of("message"), "'message' is of an 'error', which this reply lacks");
    }
    return out;
  }

  void check_expected(const Node& node) {
    Fields fields(problems_, node, "'expect'");
    const Node* status = fields.get("status", Node::Kind::string);
    (void)fields.get("output");
    const Node* error = fields.get("error");
    (void)fields.get("takes");
    (void)fields.get("refused", Node::Kind::string);
    for (const char* list : {"tasks", "calls", "emitted", "started", "that"})
      (void)fields.get(list, Node::Kind::sequence);
    fields.finish();
    static constexpr std::string_view states[] = {"running", "completed", "faulted", "cancelled"};
    if (status != nullptr && std::ranges::find(states, status->text) == std::end(states)) {
      problems_.add(status->position,
                    fmt::format("'status' must be one of {}, not '{}'", fmt::join(states, ", "), status->text));
    }
    if (error != nullptr) {
      Fields members(problems_, *error, "'error'");
      for (const char* name : {"type", "status", "instance", "title", "detail"}) (void)members.get(name);
      members.finish();
    }
    if (node.entries.empty()) problems_.add(node.position, "'expect' is empty: the case would always hold");
  }

  Problems& problems_;
  const Node* functions_ = nullptr;  ///< of the case that is being read
  const ReadFile& read_file_;
  int events_ = 0;
};

}  // namespace

bool is_like(std::string_view pattern, std::string_view text) noexcept {
  std::size_t at = 0;
  std::size_t star = std::string_view::npos;
  std::size_t tried = 0;
  std::size_t place = 0;
  while (place < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      tried = place;
    } else if (at < pattern.size() && pattern[at] == text[place]) {
      ++at;
      ++place;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      place = ++tried;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

CaseFile read_cases(std::string_view text, const ReadFile& read_file) {
  CaseFile out;
  const auto root = definition::read(text, Format::yaml);
  if (!root) {
    const base::Error& error = root.error();
    out.problems.push_back({.position = {.line = error.line(), .column = error.column()}, .message = error.message()});
    return out;
  }
  Problems problems;
  Fields fields(problems, *root, "a file of cases");
  const Node* list = fields.require("cases", Node::Kind::sequence);
  fields.finish();
  if (list != nullptr && list->items.size() > cases_max) {
    problems.add(list->position,
                 fmt::format("{} cases are in the file, at most {} may be", list->items.size(), cases_max));
    list = nullptr;
  }
  if (list != nullptr) {
    CaseReader reader(problems, read_file);
    for (std::size_t i = 0; i < list->items.size(); ++i) out.cases.push_back(reader.read(list->items[i], i + 1));
    for (auto one = out.cases.begin(); one != out.cases.end(); ++one) {
      const auto twin = std::ranges::find(out.cases.begin(), one, one->name, &Case::name);
      if (twin != one && !one->name.empty()) {
        problems.add(one->position, fmt::format("the case '{}' is in line {} already; give each a name of its own",
                                                one->name, twin->position.line));
      }
    }
    if (list->items.empty()) problems.add(list->position, "'cases' is empty");
  }
  out.problems = problems.kept();
  return out;
}

}  // namespace trv::cases
