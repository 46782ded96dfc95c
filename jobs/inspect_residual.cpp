#include "format/residual_file.hpp"
#include "jobs/inspect.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

JsonValue layer_row(const format::ResidualFile& file, const std::string& layer) {
  const format::ResidualSizes& s = file.sizes(layer);
  JsonValue row = JsonValue::object();
  row.set("name", layer)
      .set("out_features", s.out_features)
      .set("in_features", s.in_features)
      .set("bits", s.bits)
      .set("bytes_per_channel", s.out_features * s.bits / 8);
  const auto k_chunk = file.info().k_chunk_of.find(layer);
  if (!file.info().budget.empty()) {
    row.set("k_chunk", k_chunk == file.info().k_chunk_of.end() ? 0 : k_chunk->second);
  }
  return row;
}

}  // namespace

JsonValue inspect_residuals(const fs::path& path) {
  const format::ResidualFile file(path);
  const format::ResidualInfo& info = file.info();
  JsonValue facts = JsonValue::object();
  facts.set("bits", info.bits)
      .set("bytes", file.num_bytes())
      .set("layers", file.layers().size())
      .set("base_method", info.base_method)
      .set("base_digest", info.base_digest)
      .set("calibration", info.calibration)
      .set("k_chunk", info.k_chunk);
  if (!info.budget.empty()) facts.set("budget", info.budget);
  JsonValue rows = JsonValue::list();
  for (const std::string& layer : file.layers()) {
    file.read(layer);
    rows.append(layer_row(file, layer));
  }
  return JsonValue::object()
      .set("kind", "residual file")
      .set("residual", std::move(facts))
      .set("residuals", std::move(rows));
}

}  // namespace tessera::jobs
