#include "kernel/cli/commands/problem_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "kernel/cli/client/files.hpp"
#include "kernel/cli/terminal/excerpt.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/workflow/definition/places.hpp"

namespace trv::cli {
namespace {

// Where the width of the screen is not known.
constexpr std::size_t excerpt_columns = 120;
// More than any definition, so that one that is a little too large is refused as such.
constexpr std::size_t bytes_max = definition::text_bytes_max * 4;

std::string_view severity_of(const definition::Problem& problem) {
  return problem.is_warning ? "warning" : "error";
}

// A line of a message never looks like one of ours.
std::string indented(std::string_view message) {
  std::string shown;
  for (const char c : printable(message, LineEnds::kept)) {
    shown += c;
    if (c == '\n') shown += "    ";
  }
  return shown;
}

// "file:line:column: error: message", and below it the line with carets; without the last line end.
std::string shown_problem(const Session& session, const DefinitionText& read, const definition::Problem& problem) {
  const int columns = session.style().columns;
  const std::size_t width = columns > 22 ? static_cast<std::size_t>(columns) - 2 : columns > 0 ? 20 : excerpt_columns;
  const definition::Position& at = problem.position;
  const std::string place = at.line > 0 ? fmt::format(":{}:{}", at.line, at.column) : std::string();
  std::string shown =
      fmt::format("{}{}: {}: {}\n{}", printable(read.name), place, severity_of(problem), indented(problem.message),
                  excerpt(read.text, at.line, at.column, problem.length, width));
  shown.pop_back();
  return shown;
}

json::Value problem_json(const DefinitionText& read, const definition::Problem& problem) {
  json::Value out = json::Value::object();
  out.set("file", read.name);
  const json::Value members = definition::members_of(problem, read.text);
  for (const auto& [name, value] : members.entries()) out.set(name.as_string(), value);
  out.set("message", json::Value(problem.message));
  return out;
}

std::string counted(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

int whole(const json::Value& object, std::string_view member) {
  const json::Value* found = object.find(member);
  constexpr std::int64_t most = 1'000'000'000;
  return found != nullptr && found->is_int() ? static_cast<int>(std::clamp<std::int64_t>(found->as_int(), 0, most)) : 0;
}

}  // namespace

base::Result<DefinitionText> read_definition(Session& session, const std::string& file) {
  DefinitionText read{.name = file};
  if (file == "-") {
    read.name = "standard input";
    read.text.resize(bytes_max + 1);
    session.world().in.read(read.text.data(), static_cast<std::streamsize>(read.text.size()));
    read.text.resize(static_cast<std::size_t>(session.world().in.gcount()));
    if (read.text.size() > bytes_max) {
      return base::fail(base::ErrorCode::too_large, fmt::format("{}: larger than {} bytes", read.name, bytes_max));
    }
  } else {
    TRV_TRY_ASSIGN(read.text, read_file(file, bytes_max));
  }
  const std::size_t first = read.text.find_first_not_of(" \t\r\n");
  const bool braced = file == "-" && first != std::string::npos && read.text[first] == '{';
  if (braced || std::filesystem::path(file).extension() == ".json") read.format = definition::Format::json;
  return read;
}

std::vector<definition::Problem> problems_of(const json::Value& listed) {
  std::vector<definition::Problem> problems;
  if (!listed.is_array()) return problems;
  for (const json::Value& one : listed.items()) {
    definition::Problem& problem = problems.emplace_back();
    problem.position = {.line = whole(one, "line"), .column = whole(one, "column")};
    problem.message = member_text(one, one.is_string() ? "" : "detail");
    problem.is_warning = member_text(one, "severity") == "warning";
    problem.length = std::max(whole(one, "end_column") - problem.position.column, 0);
    problem.expected = member_text(one, "expected");
    problem.suggestion = member_text(one, "suggestion");
    problem.pointer = member_text(one, "pointer");
  }
  return problems;
}

void ProblemReport::print(std::string_view text) {
  if (stream_ == Stream::err) return session_.note(text);
  session_.print(text);
}

void ProblemReport::add(const DefinitionText& read, const definition::Findings& findings) {
  ++files_;
  errors_ += findings.errors;
  warnings_ += findings.warnings;
  shown_ += findings.problems.size();
  for (const definition::Problem& problem : findings.problems) {
    if (session_.as_json()) {
      all_.push_back(problem_json(read, problem));
    } else {
      print(shown_problem(session_, read, problem));
    }
  }
}

void ProblemReport::add_unreadable(const std::string& file, const base::Error& error) {
  const std::string name = file == "-" ? "standard input" : file;
  std::string_view message = error.message();
  if (message.starts_with(name + ": ")) message.remove_prefix(name.size() + 2);
  definition::Findings findings;
  findings.problems.push_back({.position = {.line = 0, .column = 0}, .message = std::string(message)});
  findings.errors = 1;
  add({.name = name}, findings);
  ++unreadable_;
}

ExitCode ProblemReport::finish() {
  if (session_.as_json()) {
    session_.print_value(all_);
  } else if (errors_ + warnings_ > 0) {
    print(
        fmt::format("{}, {} in {}", counted(errors_, "error"), counted(warnings_, "warning"), counted(files_, "file")));
  }
  if (shown_ < errors_ + warnings_) {
    session_.note(fmt::format("{} more are not shown: at most {} are for each file", errors_ + warnings_ - shown_,
                              definition::Problems::kept_max));
  }
  if (errors_ > unreadable_) return ExitCode::refused;
  return unreadable_ > 0 ? ExitCode::usage : ExitCode::ok;
}

}  // namespace trv::cli
