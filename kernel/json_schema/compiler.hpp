#pragma once
// From schema documents to nodes, without recursion. One thread.

#include <expected>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernel/json_schema/index.hpp"
#include "kernel/json_schema/node.hpp"
#include "kernel/json_schema/schema.hpp"

namespace trv::json_schema {

class Compiler {
 public:
  explicit Compiler(const CompileOptions& options)
      : options_(options), compiled_(std::make_shared<CompiledSchema>()), index_(*compiled_, options_) {}

  [[nodiscard]] std::expected<std::shared_ptr<const CompiledSchema>, Refusal> run(const json::Value& schema);

 private:
  struct Job {
    Node* node;
    const json::Value* place;
  };
  struct Reference {
    Node* from;
    std::string text;
    bool dynamic;
  };
  using Done = std::expected<void, Refusal>;

  Node* node_for(const json::Value* place, const Resource* resource, const Node* parent, std::string step);
  const Node* child(const Node& parent, const Subschema& within);
  Done compile_waiting();
  Done compile_node(Node& node, const json::Value& schema);
  Done compile_keyword(Node& node, const KeywordRow& row, const json::Value& value);
  void compile_bound(Node& node, Keyword keyword, const json::Value& value);
  void compile_count(Node& node, Keyword keyword, const json::Value& value);
  void compile_type(Node& node, const json::Value& value);
  Done compile_enum(Node& node, const json::Value& value);
  void compile_array(Node& node, const KeywordRow& row, const json::Value& value);
  Done compile_object(Node& node, const KeywordRow& row, const json::Value& value);
  void compile_combination(Node& node, const KeywordRow& row, const json::Value& value);
  std::expected<const Pattern*, Refusal> pattern_for(const Node& node, std::string_view text, std::string_view pointer);
  void finish(Node& node, const json::Value& schema);
  Done resolve(const Reference& reference);
  [[nodiscard]] Done find_circle() const;
  [[nodiscard]] std::unexpected<Refusal> refuse_at(const Node& node, std::string_view pointer, std::string sentence,
                                                   base::ErrorCode code = base::ErrorCode::invalid) const;

  const CompileOptions& options_;
  std::shared_ptr<CompiledSchema> compiled_;
  Index index_;
  std::vector<Job> waiting_;
  std::vector<Reference> references_;
  std::unordered_map<const json::Value*, Node*> nodes_;
  std::unordered_map<std::string_view, const Pattern*> patterns_;
  std::size_t pattern_bytes_ = 0;
};

}  // namespace trv::json_schema
