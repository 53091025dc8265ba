#include "kernel/s3/answer_text.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "sdk/base/field_text.hpp"

namespace trv::s3 {
namespace {

std::string without_entities(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, char>, 5> entities = {
      {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};
  std::string plain;
  while (!text.empty()) {
    const auto found =
        std::ranges::find_if(entities, [text](const auto& entity) { return text.starts_with(entity.first); });
    plain += found == entities.end() ? text.front() : found->second;
    text.remove_prefix(found == entities.end() ? 1 : found->first.size());
  }
  return plain;
}

}  // namespace

std::vector<std::string> texts_of(std::string_view xml, std::string_view name) {
  const std::string begin = "<" + std::string(name) + ">";
  const std::string end = "</" + std::string(name) + ">";
  std::vector<std::string> texts;
  for (std::size_t at = xml.find(begin); at != std::string_view::npos; at = xml.find(begin, at)) {
    at += begin.size();
    const std::size_t last = xml.find(end, at);
    if (last == std::string_view::npos) break;
    texts.push_back(without_entities(xml.substr(at, last - at)));
    at = last + end.size();
  }
  return texts;
}

std::string text_of(std::string_view xml, std::string_view name) {
  const auto texts = texts_of(xml, name);
  return texts.empty() ? std::string() : texts.front();
}

std::optional<std::string> unescaped_url(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    if (text.front() != '%') {
      plain += text.front() == '+' ? ' ' : text.front();
      text.remove_prefix(1);
      continue;
    }
    const auto byte = base::escaped_byte(text);
    if (!byte) return std::nullopt;
    plain += *byte;
    text.remove_prefix(3);
  }
  return plain;
}

}  // namespace trv::s3
