#pragma once
// The problems of definitions as every command shows them, whether this program or a server found them. One thread.

#include <string>
#include <string_view>

#include "kernel/cli/commands/session.hpp"
#include "kernel/workflow/definition/check.hpp"

namespace trv::cli {

struct DefinitionText {
  std::string name = {};  ///< of the file, for messages
  std::string text = {};
  definition::Format format = definition::Format::yaml;
};

/// JSON in *.json, and from standard input ("-") where the first character is a brace. Error: as read_file.
[[nodiscard]] base::Result<DefinitionText> read_definition(Session& session, const std::string& file);

/// What a server answered about a definition: the array `errors` or `warnings` of its answer.
[[nodiscard]] std::vector<definition::Problem> problems_of(const json::Value& listed);

enum class Stream { out, err };

/// Counts what it shows, for one last line.
class ProblemReport {
 public:
  explicit ProblemReport(Session& session, Stream stream = Stream::out) : session_(session), stream_(stream) {}

  /// Shows the problems of one file: "file:line:column: error: message" and the line with carets below what is wrong.
  void add(const DefinitionText& read, const definition::Findings& findings);
  /// A file that is not there, or cannot be read.
  void add_unreadable(const std::string& file, const base::Error& error);
  /// The last lines, or with --output json the array of all problems. usage: some files could not be read, and the
  /// others have no error.
  ExitCode finish();

 private:
  void print(std::string_view text);

  Session& session_;
  Stream stream_;
  json::Value all_ = json::Value::array();
  std::size_t errors_ = 0;
  std::size_t warnings_ = 0;
  std::size_t shown_ = 0;
  std::size_t files_ = 0;
  std::size_t unreadable_ = 0;
};

}  // namespace trv::cli
