#include "cli/preflight_text.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/human_text.hpp"

namespace tessera::cli {
namespace {

std::string value_text(const jobs::Finding& finding) {
  if (finding.unit.empty()) return "";
  if (finding.unit == "s") return fmt::format("{:.3g} s", finding.value);
  if (finding.unit == "bytes") return bytes_text(finding.value);
  if (finding.unit == "bytes/s") return bytes_text(finding.value) + "/s";
  return fmt::format("{:.0f} {}", finding.value, finding.unit);
}

/// Ranks that say the same say it once: "ranks 0-7 (node01 ... node02)" is one line.
std::string ranks_text(const jobs::CheckReport& check, std::size_t first, std::size_t last) {
  const auto& from = check.by_rank[first];
  const auto& to = check.by_rank[last];
  if (first == last) return fmt::format("rank {} on {}", from.rank, from.host);
  return fmt::format("{} ranks, from {} on {} to {} on {}", last - first + 1, from.rank, from.host,
                     to.rank, to.host);
}

std::string problems_text(const jobs::CheckReport& check) {
  std::string text;
  for (std::size_t first = 0; first < check.by_rank.size();) {
    std::size_t last = first;
    while (last + 1 < check.by_rank.size() &&
           check.by_rank[last + 1].finding == check.by_rank[first].finding) {
      ++last;
    }
    const jobs::Finding& finding = check.by_rank[first].finding;
    text += fmt::format("{}, {}, {}: {}\n", check.name, name_of(finding.verdict),
                        ranks_text(check, first, last), finding.sentence);
    first = last + 1;
  }
  return text;
}

}  // namespace

std::string preflight_text(const jobs::PreflightReport& report) {
  std::string text =
      fmt::format("{:<15}{:<9}{:>14}{:>8}  {}\n", "check", "verdict", "measured", "took", "");
  std::string problems;
  for (const jobs::CheckReport& check : report.checks) {
    const bool is_well = check.finding.verdict == jobs::Verdict::ok;
    text += fmt::format("{:<15}{:<9}{:>14}{:>8}  {}\n", check.name, name_of(check.finding.verdict),
                        value_text(check.finding), duration_text(check.seconds),
                        is_well ? check.finding.sentence : "see below");
    problems += problems_text(check);
  }
  if (!problems.empty()) text += "\n" + problems;
  text += fmt::format(
      "\n{} on {} rank{} in {}\n", report.has_failed() ? "the job would not get through" : "ready",
      report.num_ranks, report.num_ranks == 1 ? "" : "s", duration_text(report.seconds));
  return text;
}

}  // namespace tessera::cli
