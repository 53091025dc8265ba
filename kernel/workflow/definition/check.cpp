#include "kernel/workflow/definition/check.hpp"

#include "kernel/workflow/definition/compiler.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition {

Findings check(std::string_view text, Format format) {
  Findings findings;
  const base::Result<Node> root = read(text, format);
  if (!root) {
    const base::Error& error = root.error();
    findings.problems.push_back(
        {.position = {.line = error.line(), .column = error.column()}, .message = error.message()});
    findings.errors = 1;
    return findings;
  }
  Compiler compiler(text, *root);
  const base::Result<Definition> compiled = compiler.run();
  const Problems& problems = compiler.problems();
  findings.problems = problems.kept();
  findings.errors = problems.errors();
  findings.warnings = problems.warnings();
  if (compiled) findings.name = compiled->name;
  TRV_ENSURES(compiled.has_value() == (findings.errors == 0));
  return findings;
}

}  // namespace trv::definition
