#pragma once
#include <string>

#include "jobs/ledger_row.hpp"

namespace tessera::jobs {

/// A row of a run that ended well, as tests need one: two layers, scored, weights with @p digest.
inline LedgerRow sound_row(const std::string& name = "tiny", const std::string& digest = "aa") {
  LedgerRow row;
  row.time = "2026-01-31T03:12:45Z";
  row.name = name;
  row.end = RunEnd::done;
  row.verdict.kind = VerdictKind::first;
  row.model = {"models/tiny", "m1"};
  row.recipe = {"f1", "job"};
  row.program = {"0.1.0", "c0ffee"};
  row.host = "node07";
  row.machine = {"processor", 4, 2, 8, 1000};
  row.scores = {10.0, 13.0, 512, 4088, 2.25, 0.03};
  row.seconds = {{"calibrate", 40.0}, {"solve", 60.0}};
  row.peak_memory_bytes = 12345;
  row.layers = {{"layers.0.self_attn.q_proj", 2.5, 0.02}, {"layers.1.mlp.down_proj", 2.0, 0.04}};
  row.output = {"out", "ma", {{"README.md", "r"}, {"model.safetensors", digest}}};
  row.report_sha256 = "r-" + digest;
  return row;
}

}  // namespace tessera::jobs
