#include "kernel/http/request.hpp"

#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::http {
namespace {

/// Memory that a rare large body or header took is given back, so that idle connections stay small.
constexpr std::size_t kept_bytes_max = 64 * 1024;

void reuse(std::string& text) {
  text.clear();
  if (text.capacity() > kept_bytes_max) text.shrink_to_fit();
}

}  // namespace

std::string_view Request::parameter(std::string_view name) const noexcept {
  for (const Parameter& parameter : parameters_) {
    if (parameter.name == name) return parameter.value;
  }
  base::contract_failed("precondition", "the route's pattern has this parameter", __FILE__, __LINE__);
}

std::optional<std::string_view> Request::header(std::string_view name) const noexcept {
  for (std::size_t i = 0; i < headers_.size(); ++i) {
    if (headers_[i].name_size != name.size()) continue;
    const Field field = header_at(i);
    if (base::equal_ignoring_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

Field Request::header_at(std::size_t index) const noexcept {
  TRV_EXPECTS(index < headers_.size());
  const HeaderPlace& place = headers_[index];
  const std::string_view text = header_text_;
  return {text.substr(place.name_offset, place.name_size),
          text.substr(place.name_offset + place.name_size, place.value_size)};
}

void Request::clear() noexcept {
  method_.clear();
  static_cast<void>(target_.parse("*"));
  route_ = {};
  parameters_.clear();
  reuse(header_text_);
  headers_.clear();
  reuse(body_);
  id_.clear();
  traceparent_.clear();
}

void Request::add_header(std::string_view name, std::string_view value) {
  headers_.push_back({static_cast<std::uint32_t>(header_text_.size()), static_cast<std::uint32_t>(name.size()),
                      static_cast<std::uint32_t>(value.size())});
  header_text_.append(name).append(value);
}

void Request::add_parameter(std::string_view name, std::string_view value) {
  parameters_.push_back({name, std::string(value)});
}

}  // namespace trv::http
