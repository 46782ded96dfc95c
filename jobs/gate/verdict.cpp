#include "jobs/gate/verdict.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "core/error.hpp"

namespace tessera::jobs {
namespace {

constexpr std::int64_t kVersion = 1;

const char* word_for(bool has_passed) {
  return has_passed ? "passed" : "failed";
}

JsonValue findings_json(const std::vector<GateFinding>& findings) {
  JsonValue list = JsonValue::list();
  for (const GateFinding& finding : findings) {
    list.append(JsonValue::object().set("name", finding.name).set("problem", finding.problem));
  }
  return list;
}

JsonValue check_json(const GateCheck& check) {
  JsonValue row = JsonValue::object();
  row.set("check", check.name)
      .set("result", check.not_made.empty() ? word_for(check.has_passed()) : "not made")
      .set("looked_at", check.num_looked_at);
  if (check.value) row.set("value", *check.value);
  if (check.limit) row.set("limit", *check.limit);
  if (!check.not_made.empty()) row.set("why", check.not_made);
  return row.set("findings", findings_json(check.findings));
}

GateCheck check_from(const JsonValue& row) {
  GateCheck check;
  check.name = row.at("check").text();
  check.num_looked_at =
      static_cast<std::size_t>(std::max<std::int64_t>(0, row.at("looked_at").integer()));
  if (row.contains("value") && row.at("value").is_number()) check.value = row.at("value").number();
  if (row.contains("limit")) check.limit = row.at("limit").number();
  if (row.contains("why")) check.not_made = row.at("why").text();
  for (const JsonValue& finding : row.at("findings").items()) {
    check.findings.push_back({finding.at("name").text(), finding.at("problem").text()});
  }
  return check;
}

}  // namespace

GateCheck& Verdict::check(const std::string& name) {
  const auto found = std::ranges::find(checks_, name, &GateCheck::name);
  if (found != checks_.end()) return *found;
  checks_.push_back({name, 0, {}, {}, {}, {}});
  return checks_.back();
}

void Verdict::add(const std::string& check_name, const std::string& name, std::string problem) {
  auto& findings = check(check_name).findings;
  GateFinding finding{name, std::move(problem)};
  const auto place = std::ranges::lower_bound(findings, finding);
  if (place == findings.end() || *place != finding) findings.insert(place, std::move(finding));
}

bool Verdict::has_passed() const {
  return std::ranges::all_of(checks_, &GateCheck::has_passed);
}

std::vector<std::string> Verdict::sentences() const {
  std::vector<std::string> sentences;
  for (const GateCheck& check : checks_) {
    for (const GateFinding& finding : check.findings) sentences.push_back(finding.problem);
  }
  return sentences;
}

std::size_t Verdict::num_looked_at(const std::string& name) const {
  const auto found = std::ranges::find(checks_, name, &GateCheck::name);
  return found == checks_.end() ? 0 : found->num_looked_at;
}

void Verdict::merge(const Verdict& other) {
  for (const GateCheck& theirs : other.checks_) {
    GateCheck& mine = check(theirs.name);
    mine.num_looked_at += theirs.num_looked_at;
    if (theirs.value) mine.value = theirs.value;
    if (theirs.limit) mine.limit = theirs.limit;
    if (!theirs.not_made.empty()) mine.not_made = theirs.not_made;
    for (const GateFinding& finding : theirs.findings) {
      add(theirs.name, finding.name, finding.problem);
    }
  }
}

JsonValue to_json(const Verdict& verdict) {
  JsonValue checks = JsonValue::list();
  for (const GateCheck& check : verdict.checks()) checks.append(check_json(check));
  return JsonValue::object()
      .set("gate_version", kVersion)
      .set("verdict", word_for(verdict.has_passed()))
      .set("checks", std::move(checks));
}

Verdict verdict_from_json(const JsonValue& document, const std::string& origin) {
  try {
    const std::int64_t version = document.at("gate_version").integer();
    require_input(version == kVersion,
                  fmt::format("gate_version is {} (this program knows {})", version, kVersion));
    Verdict verdict;
    for (const JsonValue& row : document.at("checks").items()) {
      GateCheck check = check_from(row);
      verdict.check(check.name) = std::move(check);
    }
    require_input(document.at("verdict").text() == word_for(verdict.has_passed()),
                  "the verdict is not that of its findings");
    return verdict;
  } catch (const InputError& error) {
    throw InputError(
        fmt::format("{} is no verdict of the gate ({}). The folder is damaged; make it again.",
                    origin, error.what()));
  }
}

}  // namespace tessera::jobs
