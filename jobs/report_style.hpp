#pragma once

namespace tessera::jobs {

/// The style of report.html and the ledger's page. Two sets of colours, chosen by the reader's
/// system; pictures use them through the classes of html_svg.hpp.
inline constexpr char kReportStyle[] = R"css(
:root { --page: #f7f7f5; --card: #ffffff; --ink: #1b1f24; --quiet: #5d6673; --line: #dfe2e6;
        --accent: #1f5fbf; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171a; --card: #1d2126; --ink: #e8eaed; --quiet: #9aa3ad; --line: #343a41;
          --accent: #6ea8ff; --bad: #ff8a80; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
       font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; }
main { max-width: 1020px; margin: 0 auto; padding: 32px 24px; }
h1 { font-size: 24px; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 0 0 4px; }
h3 { font-size: 14px; margin: 20px 0 8px; }
p { margin: 0 0 14px; color: var(--quiet); overflow-wrap: anywhere; }
header { margin-bottom: 20px; }
section, .tile, footer { background: var(--card); border: 1px solid var(--line);
                         border-radius: 8px; padding: 18px 20px; margin-bottom: 16px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(172px, 1fr)); gap: 12px;
         margin-bottom: 16px; }
.tile { margin: 0; padding: 14px 16px; }
.tile .name, .tile .note { font-size: 13px; color: var(--quiet); }
.tile .figure { font-size: 25px; font-weight: 600; font-variant-numeric: tabular-nums; }
svg { display: block; width: 100%; min-width: 640px; height: auto; }
svg text { font-size: 12px; }
.label { fill: var(--quiet); }
.value { fill: var(--ink); font-variant-numeric: tabular-nums; }
.cell, .bar { fill: var(--accent); }
.cell:hover { stroke: var(--ink); stroke-width: 1.5; }
.curve { fill: none; stroke: var(--accent); stroke-width: 2; }
.point { fill: var(--accent); }
.point.worse, .point.failed { fill: var(--bad); }
.level { stroke: var(--quiet); stroke-dasharray: 4 4; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13px;
        font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 4px 10px; border-bottom: 1px solid var(--line);
         white-space: nowrap; }
th { color: var(--quiet); font-weight: 500; }
th.name, td.name { text-align: left; }
summary { cursor: pointer; color: var(--accent); margin: 12px 0 8px; }
pre { overflow-x: auto; font-size: 13px; margin: 0; }
ul { margin: 0; padding-left: 20px; }
.bad { color: var(--bad); }
footer { background: none; border: none; padding: 0 4px; color: var(--quiet); font-size: 13px; }
)css";

}  // namespace tessera::jobs
