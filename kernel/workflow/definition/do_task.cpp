#include "kernel/workflow/definition/compiler.hpp"

namespace trv::definition {

TaskBody compile_do(Compiler& compiler, Fields& fields, const TaskScope& scope) {
  return DoTask{.first = compiler.list(fields.require("do"), scope.index, scope.reference + "/do")};
}

}  // namespace trv::definition
