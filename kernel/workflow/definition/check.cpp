#include "kernel/workflow/definition/check.hpp"

#include "kernel/workflow/definition/compiler.hpp"
#include "kernel/workflow/definition/places.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition {

Findings check(std::string_view text, Format format) {
  return check_and_compile(text, format).findings;
}

Checked check_and_compile(std::string_view text, Format format, const MoreChecks& more) {
  Checked checked;
  Findings& findings = checked.findings;
  const base::Result<Node> root = read(text, format);
  if (!root) {
    const base::Error& error = root.error();
    findings.problems.push_back(
        {.position = {.line = error.line(), .column = error.column()}, .message = error.message()});
    findings.errors = 1;
    locate(findings.problems, text, nullptr);
    checked.error = error;
    return checked;
  }
  Compiler compiler(text, *root, Compiler::Absent::comes_later);
  base::Result<Definition> compiled = compiler.run();
  Problems& problems = compiler.problems();
  if (compiled && more) more(*compiled, *root, problems);
  findings.problems = problems.kept();
  findings.errors = problems.errors();
  findings.warnings = problems.warnings();
  locate(findings.problems, text, &*root);
  if (compiled) findings.name = compiled->name;
  findings.unfetched = compiler.unfetched();
  if (!problems.empty()) {
    checked.error = problems.first();
  } else if (findings.unfetched.empty()) {
    checked.definition = *std::move(compiled);
  }
  TRV_ENSURES(checked.error.has_value() == (findings.errors > 0));
  return checked;
}

}  // namespace trv::definition
