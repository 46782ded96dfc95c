#include "cli/compare_ledger.hpp"

#include <charconv>
#include <cstdio>
#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "cli/built_commit.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "jobs/ledger.hpp"
#include "jobs/ledger_page.hpp"
#include "jobs/ledger_source.hpp"

namespace tessera::cli {
namespace {

std::optional<int> exit_code_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  int code = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, code);
  if (error != std::errc{} || stop != end || code < 0 || code > 255) {
    throw InputError(fmt::format(
        "--exit-code is \"{}\" (it must be a whole number from 0 to 255). Give what the run ended "
        "with, or leave it out.",
        text));
  }
  return code;
}

/// What the ledger holds of this very run; nothing when it is new.
std::optional<jobs::LedgerRow> stored_row(const jobs::Ledger& ledger, const jobs::LedgerRow& row) {
  for (const jobs::LedgerRow& stored : ledger.rows) {
    const bool is_this = stored.name == row.name && stored.report_sha256 == row.report_sha256;
    if (is_this && !row.report_sha256.empty()) return stored;
  }
  return std::nullopt;
}

void add_verdict(const jobs::Ledger& ledger, const jobs::VerdictBounds& bounds,
                 jobs::LedgerRow& row) {
  row.time = fmt::format("{:%FT%TZ}", fmt::gmtime(std::time(nullptr)));
  row.verdict = judge(row, last_good(ledger.rows, row.name, row.model.sha256), bounds);
}

std::string verdict_text(const jobs::LedgerRow& row) {
  const jobs::Verdict& verdict = row.verdict;
  std::string text = fmt::format("{}: {}", row.name, name_of_value(verdict.kind));
  if (!verdict.against.empty()) text += ", compared with " + verdict.against;
  text += "\n";
  for (const std::string& reason : verdict.reasons) text += fmt::format("  {}\n", reason);
  for (const std::string& warning : verdict.warnings) text += fmt::format("  note: {}\n", warning);
  return text;
}

void draw_page(const std::string& page, const jobs::Ledger& ledger) {
  const std::filesystem::path file = page;
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path());
  write_file_atomically(file, jobs::ledger_page(ledger.rows));
}

}  // namespace

int compare_with_ledger(const LedgerArguments& a) {
  jobs::LedgerRow row =
      jobs::row_of_run({a.folder, a.name, exit_code_of(a.exit_code), a.error, built_commit()});
  bool is_appended = false;
  const auto judged = [&](const jobs::Ledger& ledger) -> std::optional<jobs::LedgerRow> {
    if (auto stored = stored_row(ledger, row)) {
      row = std::move(*stored);
      return std::nullopt;
    }
    add_verdict(ledger, a.bounds, row);
    is_appended = a.append;
    return row;
  };
  jobs::Ledger ledger;
  if (a.append) {
    ledger = jobs::append_to_ledger(a.ledger, judged);
  } else {
    ledger = jobs::read_ledger(a.ledger);
    judged(ledger);
  }
  for (const std::string& remark : ledger.remarks) fmt::print(stderr, "note: {}\n", remark);
  if (!a.page.empty()) draw_page(a.page, ledger);
  if (a.json) {
    fmt::print("{}\n", jobs::to_json(row).set("appended", is_appended).to_text(2));
  } else {
    fmt::print("{}", verdict_text(row));
  }
  return exit_code(row.verdict);
}

}  // namespace tessera::cli
