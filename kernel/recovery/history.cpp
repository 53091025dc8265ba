#include "kernel/recovery/history.hpp"

#include <fmt/format.h>

namespace trv::recovery {
namespace {

using base::ErrorCode;
using base::fail;
using base::Status;

Status refuse_unless_next(Target& target, const Segment* before, const base::Digest& before_digest, const Segment& next,
                          std::uint64_t number) {
  const auto refused = [&](std::string_view what) {
    return fail(ErrorCode::corrupt,
                fmt::format("{}: {}; put back the segment that belongs there, or use another target",
                            target.place_of(number), what));
  };
  if (next.number != number) return refused(fmt::format("it is segment {} and not {}", next.number, number));
  if (next.previous != before_digest) {
    return refused(number == 1 ? "it names a segment before it"
                               : fmt::format("segment {} is not the one that it was made behind", number - 1));
  }
  const bool is_base = next.base == number;
  if (before == nullptr) return is_base ? Status() : refused("it does not begin with a base");
  if (next.key != before->key) return refused("it is signed by another key than the segment before");
  if (!is_base && next.base != before->base) return refused("it has another base than the segment before");
  if (is_base) return {};
  if (next.shards.size() < before->shards.size()) return refused("it has fewer shards than the segment before");
  for (std::size_t i = 0; i < before->shards.size(); ++i) {
    if (next.shards[i].first != before->shards[i].last.next()) {
      return refused(fmt::format("shard {} goes on with record {} and not {}", i, next.shards[i].first.value(),
                                 before->shards[i].last.next().value()));
    }
  }
  return {};
}

}  // namespace

base::Result<History> read_history(Target& target, const std::optional<note::VerifierKey>& trusted) {
  History history;
  TRV_TRY(read_on(target, trusted, history));
  return history;
}

Status read_on(Target& target, const std::optional<note::VerifierKey>& trusted, History& history) {
  TRV_TRY_ASSIGN(const std::vector<std::uint64_t> numbers, target.segments());
  if (!history.segments.empty()) {
    const std::uint64_t last = history.segments.size();
    const auto stored = target.manifest(last);
    if (!stored || base::sha256(*stored) != history.last_manifest) history = {};
  }
  for (std::uint64_t number = history.segments.size() + 1; number <= numbers.size(); ++number) {
    if (numbers[number - 1] != number) {
      return fail(ErrorCode::corrupt,
                  fmt::format("{} is missing; put it back, or use another target", target.place_of(number)));
    }
    TRV_TRY_ASSIGN(const base::Bytes stored, target.manifest(number));
    auto segment = open_manifest(stored, trusted);
    if (!segment) return fail(std::move(segment).error().in(target.place_of(number)));
    TRV_TRY(refuse_unless_next(target, history.last(), history.last_manifest, *segment, number));
    history.segments.push_back(*std::move(segment));
    history.last_manifest = base::sha256(stored);
  }
  return {};
}

base::Result<Contents> contents_of(Target& target, const Segment& segment) {
  TRV_TRY_ASSIGN(const base::Bytes bytes, read_object(target, segment.contents));
  auto contents = parse_contents(base::as_text(bytes));
  if (!contents) return fail(std::move(contents).error().in(target.place_of(segment.contents.sha256)));
  return contents;
}

}  // namespace trv::recovery
