#include "jobs/preflight.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <new>
#include <utility>

#include "cluster/agreement.hpp"
#include "core/error.hpp"
#include "jobs/preflight/checks.hpp"

namespace tessera::jobs {
namespace {

constexpr std::array<const char*, 3> kVerdicts = {"ok", "warning", "failed"};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

JsonValue finding_json(const Finding& finding) {
  return JsonValue::object()
      .set("verdict", name_of(finding.verdict))
      .set("value", finding.value)
      .set("unit", finding.unit)
      .set("sentence", finding.sentence);
}

Finding finding_from(const JsonValue& json) {
  const auto verdict = std::ranges::find(kVerdicts, json.at("verdict").text());
  require(verdict != kVerdicts.end(), "ranks send verdicts there are");
  return {static_cast<Verdict>(verdict - kVerdicts.begin()), json.at("value").number(),
          json.at("unit").text(), json.at("sentence").text()};
}

/// Whatever ends the check but a wish to stop is a finding.
Finding guarded(const std::function<Finding()>& check) {
  try {
    return check();
  } catch (const Interrupted&) {
    throw;
  } catch (const std::bad_alloc&) {
    return {Verdict::failed, 0, "",
            "out of memory. Start fewer processes a node, or ask for nodes with more."};
  } catch (const std::exception& error) {
    return {Verdict::failed, 0, "", error.what()};
  }
}

/// Of two that judge alike, the one that took longer.
bool is_worse(const RankFinding& a, double a_seconds, const RankFinding& b, double b_seconds) {
  if (a.finding.verdict != b.finding.verdict) return a.finding.verdict > b.finding.verdict;
  return a_seconds > b_seconds;
}

}  // namespace

std::string name_of(Verdict verdict) {
  return kVerdicts[static_cast<std::size_t>(verdict)];
}

bool PreflightReport::has_failed() const {
  return std::ranges::any_of(
      checks, [](const CheckReport& check) { return check.finding.verdict == Verdict::failed; });
}

CheckReport try_on_all_ranks(cluster::Communicator& comm, const std::string& name,
                             const std::function<Finding()>& check) {
  const auto start = std::chrono::steady_clock::now();
  const Finding mine = cluster::on_all_ranks(comm, [&] { return guarded(check); });
  const JsonValue sent =
      finding_json(mine).set("seconds", seconds_since(start)).set("host", cluster::host_name());
  CheckReport report;
  report.name = name;
  RankFinding worst;
  double worst_seconds = -1;
  const auto all = comm.all_gather(sent.to_text());
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const JsonValue received = JsonValue::parse(all[rank], "a rank's finding");
    const double seconds = received.at("seconds").number();
    const RankFinding found{rank, received.at("host").text(), finding_from(received)};
    if (found.finding.verdict != Verdict::ok) report.by_rank.push_back(found);
    report.seconds = std::max(report.seconds, seconds);
    if (worst_seconds < 0 || is_worse(found, seconds, worst, worst_seconds)) {
      worst = found;
      worst_seconds = seconds;
    }
  }
  report.finding = worst.finding;
  return report;
}

PreflightReport preflight(RunContext& run, const QuantizeJob& job) {
  const auto start = std::chrono::steady_clock::now();
  PreflightReport report;
  report.num_ranks = run.comm.size();
  const auto check = [&](const char* name, const std::function<Finding()>& step) {
    report.checks.push_back(try_on_all_ranks(run.comm, name, step));
  };
  PreparedRun prepared;
  check("model", [&] { return check_model(run, job, prepared); });
  const bool has_model = !report.has_failed();
  if (has_model) check("weights", [&] { return check_weights(run, prepared); });
  check("tokens", [&] { return check_tokens(run, job); });
  if (has_model) check("memory", [&] { return check_memory(run, prepared); });
  check("disk", [&] { return check_disk(run, job.runtime.work_dir); });
  if (has_model) check("space", [&] { return check_space(run, prepared); });
  check("shared folder", [&] { return check_shared_folder(run.comm, job.runtime.work_dir); });
  check("locks", [&] { return check_locks(run.comm, job.runtime.work_dir); });
  check("clock", [&] { return check_clock(run.comm, seconds_of_clock); });
  if (has_model) {
    check("ordered sum", [&] { return check_sum(run, prepared); });
    if (makes_codebooks(prepared)) check("k-means", [&] { return check_kmeans(run, prepared); });
    check("factorization", [&] { return check_factorization(run, prepared); });
  }
  report.seconds = seconds_since(start);
  return report;
}

JsonValue to_json(const PreflightReport& report) {
  JsonValue checks = JsonValue::list();
  for (const CheckReport& check : report.checks) {
    JsonValue ranks = JsonValue::list();
    for (const RankFinding& found : check.by_rank) {
      ranks.append(finding_json(found.finding).set("rank", found.rank).set("host", found.host));
    }
    checks.append(finding_json(check.finding)
                      .set("name", check.name)
                      .set("seconds", check.seconds)
                      .set("ranks", std::move(ranks)));
  }
  return JsonValue::object()
      .set("failed", report.has_failed())
      .set("ranks", report.num_ranks)
      .set("seconds", report.seconds)
      .set("checks", std::move(checks));
}

}  // namespace tessera::jobs
