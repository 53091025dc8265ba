#pragma once
// A piece of work that has ended, as one of a distributed trace.

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "kernel/trace/attributes.hpp"
#include "kernel/trace/context.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::trace {

/// As OTLP numbers them.
enum class SpanKind : std::uint8_t { internal = 1, server = 2, client = 3 };

struct Span {
  Context context;                       ///< of this piece of work
  std::array<std::uint8_t, 8> parent{};  ///< all 0: the trace begins with it
  SpanKind kind = SpanKind::internal;
  std::string name = {};  ///< of few different ones: a route, not a path
  base::Timestamp began = {};
  base::Timestamp ended = {};
  Attributes attributes = {};
  bool is_failed = false;
  std::string problem = {};  ///< where it failed
};

/// Takes the spans of sampled traces. Any thread; must not block. Empty: nobody wants them.
using SpanSink = std::function<void(Span)>;

}  // namespace trv::trace
