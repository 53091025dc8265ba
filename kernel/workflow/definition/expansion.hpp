#pragma once
// A definition's text with functions put into its `use.functions`, the author's text being as it was but for that.
// Pure; any thread.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/workflow/definition/catalog.hpp"
#include "kernel/workflow/definition/check.hpp"

namespace trv::definition {

struct FetchedFunction {
  UnfetchedFunction what;  ///< its place is where the author's text leads to it
  Node body;               ///< a task, as its own text has it
};

/// The text of a function as its address gave it: YAML, or JSON where the address ends with ".json". Error: as read(),
/// and invalid for what is not a task.
[[nodiscard]] base::Result<Node> read_function(std::string_view address, std::string_view text);

class Expansion {
 public:
  /// Functions are put in as JSON in one piece, which every text takes. Errors: invalid, for a text into which nothing
  /// can be put without another meaning; too_large.
  [[nodiscard]] static base::Result<Expansion> make(std::string_view text, Format format,
                                                    const std::vector<FetchedFunction>& functions);

  [[nodiscard]] const std::string& text() const noexcept { return text_; }

  /// What was found in text(), said of the author's text: a problem of a function is at its call, and names the
  /// function, its address and the line there. `functions`: those of make().
  void say_of_author(Findings& findings, const std::vector<FetchedFunction>& functions) const;

 private:
  struct Cut {
    std::size_t at = 0;
    std::size_t size = 0;
  };
  std::string text_;
  Cut inserted_;
};

}  // namespace trv::definition
