#include "kernel/http/conditional.hpp"

#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::http {
namespace {

bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t';
}

std::string_view without_weakness(std::string_view tag) noexcept {
  return tag.starts_with("W/") ? tag.substr(2) : tag;
}

/// Bytes of the entity tag that `text` begins with; 0 where it begins with none.
std::size_t tag_size(std::string_view text) noexcept {
  const std::size_t begin = text.starts_with("W/") ? 2 : 0;
  if (begin >= text.size() || text[begin] != '"') return 0;
  const std::size_t end = text.find('"', begin + 1);
  return end == std::string_view::npos ? 0 : end + 1;
}

/// A comma may be within a tag, so the list is read tag by tag.
bool holds(std::string_view list, std::string_view etag) noexcept {
  if (list == "*") return true;
  bool found = false;
  bool separated = true;
  while (!list.empty()) {
    if (is_blank(list.front()) || list.front() == ',') {
      separated = separated || list.front() == ',';
      list.remove_prefix(1);
      continue;
    }
    const std::size_t size = tag_size(list);
    if (size == 0 || !separated) return false;
    found = found || without_weakness(list.substr(0, size)) == without_weakness(etag);
    list.remove_prefix(size);
    separated = false;
  }
  return found;
}

}  // namespace

bool has_already(const Request& request, std::string_view etag) noexcept {
  TRV_EXPECTS(tag_size(etag) == etag.size());
  for (std::size_t i = 0; i < request.header_count(); ++i) {
    const Field field = request.header_at(i);
    if (base::equal_ignoring_case(field.name, "If-None-Match") && holds(field.value, etag)) return true;
  }
  return false;
}

Response tagged(const Request& request, std::string_view etag, Response response) {
  if (has_already(request, etag)) response = empty(304);
  return std::move(response).with("ETag", std::string(etag));
}

}  // namespace trv::http
