#include "jobs/ledger_page.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/human_text.hpp"
#include "jobs/html_page.hpp"
#include "jobs/html_svg.hpp"
#include "jobs/ledger_curves.hpp"

namespace tessera::jobs {
namespace {

/// Recipes in the order in which they first appear.
std::vector<RecipeRuns> runs_by_name(const std::vector<LedgerRow>& rows) {
  std::vector<RecipeRuns> all;
  for (const LedgerRow& row : rows) {
    auto found = std::ranges::find(all, row.name, &RecipeRuns::name);
    if (found == all.end()) found = all.insert(all.end(), RecipeRuns{row.name, {}, 1});
    found->rows.push_back(&row);
  }
  for (RecipeRuns& runs : all) {
    const std::size_t num_left_out = runs.rows.size() - std::min(runs.rows.size(), kMaxRuns);
    runs.rows.erase(runs.rows.begin(),
                    runs.rows.begin() + static_cast<std::ptrdiff_t>(num_left_out));
    runs.first_number += num_left_out;
  }
  return all;
}

bool is_bad(const LedgerRow& row) {
  return row.verdict.kind == VerdictKind::worse || row.verdict.kind == VerdictKind::failed;
}

std::string verdict_name(const LedgerRow& row) {
  return std::string(name_of_value(row.verdict.kind));
}

std::string list_of_reasons(const LedgerRow& row) {
  std::string items;
  for (const std::string& reason : row.verdict.reasons) {
    items +=
        fmt::format("<li{}>{}</li>\n", is_bad(row) ? " class=\"bad\"" : "", escape_html(reason));
  }
  for (const std::string& warning : row.verdict.warnings) {
    items += fmt::format("<li>{}</li>\n", escape_html(warning));
  }
  return items.empty() ? "" : "<ul>\n" + items + "</ul>\n";
}

std::string cell(const std::optional<double>& value, std::string (*format)(double)) {
  return value ? format(*value) : "-";
}

std::string table(const RecipeRuns& runs) {
  std::string out =
      "<div class=\"wide\"><table><thead><tr><th>run</th><th class=\"name\">when</th>"
      "<th class=\"name\">verdict</th><th>perplexity</th><th>over the original's</th><th>bits</th>"
      "<th>mean error</th><th>time</th><th>peak memory</th><th>ranks</th><th "
      "class=\"name\">host</th>"
      "<th class=\"name\">program</th></tr></thead>\n<tbody>\n";
  for (std::size_t k = runs.rows.size(); k-- > 0;) {
    const LedgerRow& r = *runs.rows[k];
    out += fmt::format(
        "<tr><td>{}</td><td class=\"name\">{}</td><td class=\"name{}\">{}</td><td>{}</td>"
        "<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"name\">{}"
        "</td><td class=\"name\">{} {}</td></tr>\n",
        runs.first_number + k, escape_html(r.time), is_bad(r) ? " bad" : "", verdict_name(r),
        cell(r.scores.quantized, ledger_score_text), cell(r.scores.ratio(), ledger_score_text),
        cell(r.scores.bits_per_weight, ledger_score_text),
        cell(r.scores.mean_proxy_error, ledger_error_text), cell(ledger_seconds(r), duration_text),
        r.peak_memory_bytes == 0 ? "-" : bytes_text(static_cast<double>(r.peak_memory_bytes)),
        r.machine.num_ranks, escape_html(r.host), escape_html(r.program.version),
        escape_html(r.program.commit.substr(0, 10)));
  }
  return out + "</tbody></table></div>\n";
}

std::string recipe_section(const RecipeRuns& runs) {
  const LedgerRow& last = runs.last();
  std::string body = list_of_reasons(last) + ledger_curves(runs) + ledger_layer_map(runs);
  std::string earlier;
  for (std::size_t k = runs.rows.size() - 1; k-- > 0;) {
    if (!is_bad(*runs.rows[k])) continue;
    earlier += fmt::format("<h3>Run {}, {}: {}</h3>\n{}", runs.first_number + k,
                           escape_html(runs.rows[k]->time), verdict_name(*runs.rows[k]),
                           list_of_reasons(*runs.rows[k]));
  }
  if (!earlier.empty()) body += html_folded("Earlier runs that were worse or failed", earlier);
  body += html_folded(fmt::format("{} runs", runs.rows.size()), table(runs));
  return html_section(
      runs.name + ": " + verdict_name(last),
      fmt::format("{}, {}{}", last.model.path, last.time,
                  last.verdict.against.empty() ? "" : ", compared with " + last.verdict.against),
      body);
}

std::string tiles(const std::vector<RecipeRuns>& all) {
  std::string out = "<div class=\"tiles\">\n";
  for (const RecipeRuns& runs : all) {
    const LedgerScores& scores = runs.last().scores;
    out += html_tile(runs.name, verdict_name(runs.last()),
                     scores.ratio()
                         ? fmt::format("{:.4f} times the original's perplexity", *scores.ratio())
                         : runs.last().time);
  }
  return out + "</div>\n";
}

}  // namespace

std::string ledger_page(const std::vector<LedgerRow>& rows) {
  const std::vector<RecipeRuns> all = runs_by_name(rows);
  std::string body = tiles(all);
  for (const RecipeRuns& runs : all) body += recipe_section(runs);
  return html_page("Tessera: history", "History",
                   fmt::format("{} runs of {} recipes", rows.size(), all.size()), body,
                   rows.empty() ? "" : "tessera " + rows.back().program.version);
}

}  // namespace tessera::jobs
