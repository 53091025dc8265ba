#pragma once
// What work leaves on the disk: the log's file, the projection's file and each of its tables, and the bytes that went
// through write calls.

#include <fstream>
#include <map>

#include "bench/shard_under_test.hpp"

namespace trv::bench {

struct DiskUse {
  double log = 0;         ///< bytes of the log's file
  double projection = 0;  ///< bytes of the projection's file, free pages included
  double written = 0;     ///< bytes that this process handed to write calls
  std::map<std::string, double> tables;

  [[nodiscard]] static DiskUse of(const ShardUnderTest& shard, const std::filesystem::path& folder) {
    DiskUse use;
    use.log = static_cast<double>(std::filesystem::file_size(folder / "log" / "data.mdb"));
    use.projection = static_cast<double>(must(shard.projection().stats()).used_bytes);
    use.written = written_bytes();
    auto txn = must(shard.projection().begin_read());
    for (const std::string& name : must(txn.table_names())) {
      const lmdb::Table table = must(txn.open_table(name));
      use.tables[name] = static_cast<double>(must(table.bytes(txn)));
    }
    return use;
  }

 private:
  static double written_bytes() {
    std::ifstream io("/proc/self/io");
    std::string field;
    double value = 0;
    while (io >> field >> value) {
      if (field == "wchar:") return value;
    }
    give_up("no figures of write calls in /proc/self/io");
  }
};

/// What `count` pieces of work between the two left, for one of them. `name` and a suffix name the figures.
inline void report_disk_use(const std::string& name, const DiskUse& before, const DiskUse& after, double count,
                            double bytes_max) {
  const auto each = [count](double from, double to) { return (to - from) / count; };
  const double tables = [&] {
    double sum = 0;
    for (const auto& [table, bytes] : after.tables) {
      const auto known = before.tables.find(table);
      sum += each(known == before.tables.end() ? 0 : known->second, bytes);
    }
    return sum;
  }();
  report({.name = name,
          .value = each(before.log, after.log) + tables,
          .unit = "bytes of log and projection",
          .floor = at_most(bytes_max)});
  report({.name = name + "_log", .value = each(before.log, after.log), .unit = "bytes of the log's file"});
  report({.name = name + "_projection",
          .value = each(before.projection, after.projection),
          .unit = "bytes of the projection's file, free pages included"});
  for (const auto& [table, bytes] : after.tables) {
    const auto known = before.tables.find(table);
    const double more = each(known == before.tables.end() ? 0 : known->second, bytes);
    if (more >= 1) report({.name = name + "_table_" + table, .value = more, .unit = "bytes of pages"});
  }
  report(
      {.name = name + "_written", .value = each(before.written, after.written), .unit = "bytes through write calls"});
}

}  // namespace trv::bench
