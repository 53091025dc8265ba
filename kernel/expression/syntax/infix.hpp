#pragma once
// The operators that are between two expressions, and how tightly they bind.

#include <array>
#include <cstdint>
#include <string_view>

#include "kernel/expression/syntax/syntax.hpp"

namespace trv::expression {

enum class Associativity : std::uint8_t { left, right, none };

struct Infix {
  std::string_view text;
  int precedence;
  Associativity associativity;
  NodeKind kind;
  Operator op;
};

inline constexpr std::array<Infix, 22> infixes = {{
    {"//", 1, Associativity::right, NodeKind::alternative, Operator::alternative},
    {"=", 2, Associativity::none, NodeKind::assign, Operator::assign},
    {"|=", 2, Associativity::none, NodeKind::assign, Operator::update},
    {"+=", 2, Associativity::none, NodeKind::assign, Operator::add},
    {"-=", 2, Associativity::none, NodeKind::assign, Operator::subtract},
    {"*=", 2, Associativity::none, NodeKind::assign, Operator::multiply},
    {"/=", 2, Associativity::none, NodeKind::assign, Operator::divide},
    {"%=", 2, Associativity::none, NodeKind::assign, Operator::modulo},
    {"//=", 2, Associativity::none, NodeKind::assign, Operator::alternative},
    {"or", 3, Associativity::left, NodeKind::or_, Operator::add},
    {"and", 4, Associativity::left, NodeKind::and_, Operator::add},
    {"==", 5, Associativity::none, NodeKind::binary, Operator::equal},
    {"!=", 5, Associativity::none, NodeKind::binary, Operator::not_equal},
    {"<", 5, Associativity::none, NodeKind::binary, Operator::less},
    {"<=", 5, Associativity::none, NodeKind::binary, Operator::less_equal},
    {">", 5, Associativity::none, NodeKind::binary, Operator::greater},
    {">=", 5, Associativity::none, NodeKind::binary, Operator::greater_equal},
    {"+", 6, Associativity::left, NodeKind::binary, Operator::add},
    {"-", 6, Associativity::left, NodeKind::binary, Operator::subtract},
    {"*", 7, Associativity::left, NodeKind::binary, Operator::multiply},
    {"/", 7, Associativity::left, NodeKind::binary, Operator::divide},
    {"%", 7, Associativity::left, NodeKind::binary, Operator::modulo},
}};

/// Of the operators that bind tightest; from 1.
inline constexpr int infix_precedence_max = 7;
static_assert(infixes.back().precedence == infix_precedence_max);

}  // namespace trv::expression
