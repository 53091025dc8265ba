#include "kernel/workflow/instance/search.hpp"

#include <algorithm>
#include <cctype>

#include "kernel/json/parse.hpp"
#include "sdk/base/big_endian.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {
namespace {

/// Rows looked at for one page.
constexpr std::size_t looked_at_max = 10'000;
/// An id is of the time of its start, and a little later where many are made within a millisecond.
constexpr std::int64_t id_ahead_max_ms = 1'000;
constexpr std::size_t id_bytes = 16;

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

/// The time of an id in milliseconds.
std::int64_t ms_of(const InstanceId& id) {
  return static_cast<std::int64_t>(base::big_endian(base::BytesView(id.bytes()).first(6)));
}

/// The greatest id of this time.
InstanceId last_of(std::int64_t time_ms) {
  std::array<std::uint8_t, id_bytes> bytes{};
  bytes.fill(0xff);
  const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(time_ms, 0));
  for (unsigned i = 0; i < 6; ++i) bytes[i] = static_cast<std::uint8_t>(ms >> (8 * (5 - i)));
  return InstanceId(bytes);
}

/// nullopt: there is none before.
std::optional<InstanceId> before(const InstanceId& id) {
  auto bytes = id.bytes();
  for (std::size_t i = bytes.size(); i-- > 0;) {
    if (bytes[i]-- != 0) return InstanceId(bytes);
  }
  return std::nullopt;
}

/// Instances in a table whose keys are one of several prefixes and the instance, from a later one to earlier ones.
class Line {
 public:
  static base::Result<Line> open(const lmdb::Txn& txn, const lmdb::Table& table, std::vector<std::string> prefixes) {
    TRV_EXPECTS(!prefixes.empty());
    TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, table));
    return Line(std::move(cursor), std::move(prefixes));
  }
  /// The last one that is not after `id`.
  base::Result<std::optional<InstanceId>> not_after(const InstanceId& id) {
    std::optional<InstanceId> last;
    for (const std::string& prefix : prefixes_) {
      std::string key = prefix;
      key.append(base::as_text(base::BytesView(id.bytes())));
      TRV_TRY_ASSIGN(const auto entry, cursor_.seek_back(key));
      if (!entry || !lmdb::begins_with(entry->key, base::as_bytes(prefix))) continue;
      TRV_ASSERT(entry->key.size() == prefix.size() + id_bytes);
      last = std::max(last, std::optional(instance_of(entry->key)));
    }
    return last;
  }

 private:
  Line(lmdb::Cursor cursor, std::vector<std::string> prefixes)
      : cursor_(std::move(cursor)), prefixes_(std::move(prefixes)) {}

  lmdb::Cursor cursor_;
  std::vector<std::string> prefixes_;
};

/// An instance is in each of them.
base::Result<std::vector<Line>> lines_of(const lmdb::Txn& txn, const Tables& tables, const base::TenantId& tenant,
                                         const Search& search) {
  const std::string& of = tenant.value();
  std::vector<std::vector<std::string>> prefixes;
  if (!search.key.empty()) prefixes.push_back({mark_prefix(of, Mark::key, search.key)});
  if (!search.correlation.empty()) prefixes.push_back({mark_prefix(of, Mark::correlation, search.correlation)});
  if (search.not_compensated) prefixes.push_back({mark_prefix(of, Mark::not_compensated, {})});
  const auto status = search.error.empty() ? search.status : Status::faulted;
  if (search.has_not_ended) {
    prefixes.push_back(
        {status_mark(of, Status::running), status_mark(of, Status::suspended), status_mark(of, Status::compensating)});
  } else if (status == Status::compensating) {
    prefixes.push_back({status_mark(of, Status::compensating), status_mark(of, Status::suspended)});
  } else if (status && *status != Status::completed) {
    prefixes.push_back({status_mark(of, *status)});
  }
  if (!search.workflow.empty()) prefixes.push_back({mark_prefix(of, Mark::workflow, search.workflow)});
  std::vector<Line> lines;
  for (std::vector<std::string>& some : prefixes) {
    TRV_TRY_ASSIGN(Line line, Line::open(txn, tables.marks, std::move(some)));
    lines.push_back(std::move(line));
  }
  if (lines.empty()) {
    TRV_TRY_ASSIGN(Line line, Line::open(txn, tables.instances, {tenant_prefix(of)}));
    lines.push_back(std::move(line));
  }
  return lines;
}

/// A digest may be that of another value, too.
bool fits(const Search& search, const InstanceSummary& one) {
  const bool is_meant =
      !search.status || one.status == *search.status || (*search.status == Status::compensating && one.is_compensating);
  if (!is_meant) return false;
  if (search.not_compensated && one.not_compensated.empty()) return false;
  if (!search.workflow.empty() && search.workflow != one.definition.space + "/" + one.definition.name) return false;
  if (!search.key.empty() && search.key != one.names.key) return false;
  if (!search.correlation.empty() &&
      std::ranges::find(one.names.correlation, search.correlation) == one.names.correlation.end()) {
    return false;
  }
  if (search.since && one.started < *search.since) return false;
  if (search.until && one.started >= *search.until) return false;
  return search.error.empty() || is_about(one.error, search.error);
}

}  // namespace

Status shown_status(const InstanceRow& row) {
  if (row.is_suspended != 0) return Status::suspended;
  return row.compensates != CompensatesFor::nothing ? Status::compensating : row.status;
}

std::optional<Status> marked_status(const InstanceRow& row) {
  const Status status = shown_status(row);
  return status == Status::completed ? std::nullopt : std::optional(status);
}

std::string status_mark(std::string_view tenant, Status status) {
  return mark_prefix(tenant, Mark::status, to_string(status));
}

std::vector<std::string> lasting_marks(std::string_view tenant, const InstanceRow& row) {
  std::string workflow;
  workflow.reserve(row.space.size() + row.name.size() + 1);
  workflow.append(row.space).append("/").append(row.name);
  std::vector<std::string> marks = {mark_prefix(tenant, Mark::workflow, workflow)};
  if (!row.names.key.empty()) marks.push_back(mark_prefix(tenant, Mark::key, row.names.key));
  for (const std::string& one : row.names.correlation) marks.push_back(mark_prefix(tenant, Mark::correlation, one));
  return marks;
}

InstanceSummary summary_of(const InstanceId& id, const InstanceRow& row) {
  InstanceSummary out;
  out.id = id;
  out.definition = {row.space, row.name, row.version};
  out.status = shown_status(row);
  out.trigger = row.trigger;
  out.started = base::Timestamp(row.started_ns);
  out.updated = base::Timestamp(row.updated_ns);
  out.steps = row.steps;
  out.current_task = row.root.current;
  out.names = row.names;
  if (row.status == Status::faulted) out.error = row.root.error;
  out.is_compensating = row.compensates != CompensatesFor::nothing;
  out.not_compensated = row.not_compensated;
  return out;
}

bool is_about(std::string_view error, std::string_view wanted) {
  const auto parsed = json::parse(error);
  if (!parsed || !parsed->is_object()) return false;
  const auto member = [&](std::string_view name) -> std::string_view {
    const json::Value* found = parsed->find(name);
    return found != nullptr && found->is_string() ? found->as_string() : std::string_view();
  };
  const std::string_view type = member("type");
  if (type == wanted || type.substr(type.rfind('/') + 1) == wanted) return true;
  const std::string text = lower(wanted);
  return lower(member("title")).find(text) != std::string::npos ||
         lower(member("detail")).find(text) != std::string::npos;
}

base::Result<Page<InstanceSummary>> InstanceStore::list(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                        const Search& search, std::string_view cursor,
                                                        std::size_t count_max) const {
  TRV_EXPECTS(count_max > 0);
  std::array<std::uint8_t, id_bytes> greatest{};
  greatest.fill(0xff);
  std::optional<InstanceId> from(greatest);
  if (!cursor.empty()) {
    from = base::Uuid::parse(cursor);
    if (!from)
      return base::fail(base::ErrorCode::invalid,
                        "the cursor is not one that a list has given; leave it out to start from the beginning");
  }
  if (search.until) from = std::min(*from, last_of(search.until->ms() + id_ahead_max_ms));
  TRV_TRY_ASSIGN(std::vector<Line> lines, lines_of(txn, tables_, tenant, search));
  Page<InstanceSummary> page;
  // Each line in turn says where the next instance can be at the latest, until all say the same.
  std::size_t agreed = 0;
  std::size_t looked_at = 0;
  for (std::size_t turn = 0; from; turn = (turn + 1) % lines.size()) {
    if (looked_at++ == looked_at_max) {
      page.next = from->to_string();
      break;
    }
    TRV_TRY_ASSIGN(const auto found, lines[turn].not_after(*from));
    if (!found || (search.since && ms_of(*found) < search.since->ms())) break;
    agreed = *found == *from ? agreed + 1 : 1;
    from = found;
    if (agreed < lines.size()) continue;
    agreed = 0;
    from = before(*found);
    TRV_TRY_ASSIGN(const auto bytes, tables_.instances.get(txn, instance_key(tenant.value(), *found)));
    if (!bytes) return base::fail(base::ErrorCode::corrupt, "a mark names no instance; rebuild the projection");
    TRV_TRY_ASSIGN(const InstanceRow row, decode_instance(*bytes));
    InstanceSummary summary = summary_of(*found, row);
    if (!fits(search, summary)) continue;
    if (page.items.size() == count_max) {
      page.next = found->to_string();
      break;
    }
    page.items.push_back(std::move(summary));
  }
  TRV_ENSURES(page.items.size() <= count_max);
  return page;
}

}  // namespace trv::instance
