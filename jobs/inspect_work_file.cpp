#include <string>

#include "calibration/flat_statistics.hpp"
#include "calibration/tokens.hpp"
#include "core/error.hpp"
#include "evaluation/divergence.hpp"
#include "evaluation/perplexity.hpp"
#include "jobs/assembled_shards.hpp"
#include "jobs/inspect.hpp"
#include "jobs/not_finite.hpp"
#include "jobs/packed_layers.hpp"
#include "jobs/work_files.hpp"
#include "store/archive.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

void add_tokens(JsonValue& document, store::ArchiveReader& reader) {
  calibration::TokenStream stream;
  archive(reader, stream);
  document.set("holds", "tokens");
  document.set("tokens", stream.tokens.size());
  document.set("text_sha256", stream.text_digest);
  document.set("tokenizer_sha256", stream.tokenizer_digest);
}

void add_statistics(JsonValue& document, store::ArchiveReader& reader) {
  calibration::StatisticsSlab slab;
  archive(reader, slab);
  document.set("holds", "calibration statistics")
      .set("channels", slab.shape.num_channels)
      .set("first_number", slab.begin)
      .set("numbers", slab.values.size())
      .set("numbers_of_all_slabs", calibration::flat_size(slab.shape));
}

void add_hidden_states(JsonValue& document, store::ArchiveReader& reader) {
  Matrix<float> hidden;
  reader("hidden", hidden);
  document.set("holds", "hidden states")
      .set("tokens", hidden.rows())
      .set("channels", hidden.cols());
}

void add_equalization(JsonValue& document, store::ArchiveReader& reader) {
  BlockEqualization found;
  archive(reader, found);
  document.set("holds", "equalizing scales");
  for (const auto& [role, of_input] : found.of_role) {
    document.set(std::string(model::name_of(role)),
                 JsonValue::object()
                     .set("rule", of_input.rule)
                     .set("error", of_input.error)
                     .set("error_without", of_input.plain_error));
  }
}

void add_correction(JsonValue& document, store::ArchiveReader& reader) {
  BlockCorrection found;
  archive(reader, found);
  document.set("holds", "corrections of biases");
  for (const auto& [module, of_layer] : found.of_module) {
    document.set(module, JsonValue::object()
                             .set("gain", of_layer.gain)
                             .set("is_corrected", !of_layer.change.empty()));
  }
}

void add_not_finite(JsonValue& document, store::ArchiveReader& reader) {
  NotFinite found;
  archive(reader, found);
  document.set("holds", "inputs that were not finite");
  for (const NotFinite::OfInput& of_input : found.inputs) {
    document.set(of_input.input, of_input.problem);
  }
}

void add_score(JsonValue& document, store::ArchiveReader& reader) {
  evaluation::Perplexity score;
  archive(reader, score);
  document.set("holds", "score")
      .set("perplexity", score.perplexity)
      .set("context_length", score.context_length)
      .set("tokens", score.num_tokens);
}

void add_sizes(JsonValue& document, const solver::VptqLayer& l) {
  document.set("out_features", l.out_features)
      .set("in_features", l.in_features)
      .set("vector_len", l.vector_len)
      .set("num_centroids", l.num_centroids)
      .set("num_res_centroids", l.num_res_centroids)
      .set("num_groups", l.num_groups)
      .set("outlier_columns", l.outlier_size);
}

void add_sizes(JsonValue& document, const solver::IntegerLayer& l) {
  document.set("out_features", l.out_features)
      .set("in_features", l.in_features)
      .set("bits", l.bits)
      .set("group_size", l.group_size)
      .set("symmetric", l.is_symmetric)
      .set("quantizes_input", l.input.has_value())
      .set("has_bias", l.has_bias);
}

void add_solved_layer(JsonValue& document, store::ArchiveReader& reader) {
  SolvedLayer solved;
  archive(reader, solved);
  document.set("holds", "solved layer");
  document.set("kept", solved.is_kept);
  if (!solved.is_kept) {
    std::visit([&](const auto& layer) { add_sizes(document, layer); }, solved.layer);
    document.set("bits_per_weight", stored_bits_per_weight(solved.layer));
  }
  document.set("bias_gain", solved.report.bias_gain)
      .set("proxy_error", solved.report.proxy_error)
      .set("damp_fraction", solved.report.damp_fraction)
      .set("dead_columns", solved.report.num_dead_columns)
      .set("degraded", solved.is_degraded())
      .set("seconds", solved.seconds);
  JsonValue remarks = JsonValue::list();
  for (const std::string& remark : solved.report.remarks) {
    remarks.append(JsonValue::object().set("remark", remark));
  }
  document.set("remarks", std::move(remarks));
}

void add_measured_layer(JsonValue& document, store::ArchiveReader& reader) {
  MeasuredLayer measured;
  archive(reader, measured);
  JsonValue errors = JsonValue::list();
  for (const double error : measured.error) errors.append(error);
  document.set("holds", "what each recipe would do to a layer")
      .set("output", measured.output)
      .set("errors", std::move(errors));
}

void add_group_divergence(JsonValue& document, store::ArchiveReader& reader) {
  GroupDivergence found;
  archive(reader, found);
  JsonValue without = JsonValue::object();
  for (std::size_t k = 0; k < found.kinds.size(); ++k)
    without.set(found.kinds[k], found.without[k]);
  document.set("holds", "divergences of a group of blocks")
      .set("of_all", found.of_all)
      .set("without", std::move(without));
}

void add_allocation(JsonValue& document, store::ArchiveReader& reader) {
  Allocation allocation;
  archive(reader, allocation);
  JsonValue recipes = JsonValue::list();
  for (const std::uint64_t recipe : allocation.recipe) recipes.append(recipe);
  document.set("holds", "recipes of all layers").set("recipes", std::move(recipes));
}

}  // namespace

JsonValue inspect_work_file(const fs::path& file) {
  store::ArchiveReader reader(file);
  JsonValue document = JsonValue::object();
  document.set("kind", "work file");
  JsonValue identity = JsonValue::object();
  for (const auto& [key, value] : reader.identity()) {
    if (key != "kind") identity.set(key, value);
  }
  document.set("identity", std::move(identity));
  if (reader.contains("tokens")) {
    add_tokens(document, reader);
  } else if (reader.contains("rough")) {
    add_measured_layer(document, reader);
  } else if (reader.contains("without")) {
    add_group_divergence(document, reader);
  } else if (reader.contains("own_loss")) {
    add_allocation(document, reader);
  } else if (reader.contains("corrected_modules")) {
    add_correction(document, reader);
  } else if (reader.contains("layer")) {
    add_solved_layer(document, reader);
  } else if (reader.contains(std::string(model::name_of(model::InputRole::mlp_hidden)))) {
    add_equalization(document, reader);
  } else if (reader.contains("perplexity")) {
    add_score(document, reader);
  } else if (reader.contains("mean") && !reader.contains("num_channels")) {
    evaluation::Divergence divergence;
    archive(reader, divergence);
    document.set("holds", "how far two models' next tokens are apart")
        .set("divergence", divergence.mean);
    document.set("tokens", divergence.num_tokens);
  } else if (reader.contains("not_finite")) {
    add_not_finite(document, reader);
  } else if (reader.contains("recipe")) {
    AssembledShard shard;
    archive(reader, shard);
    document.set("holds", "what a file of the output was made of").set("sha256", shard.digest);
    document.set("recipe", shard.recipe).set("layers", shard.layers.size());
  } else if (reader.contains("problem")) {
    Quarantine failure;
    archive(reader, failure);
    document.set("holds", "why a layer failed at first").set("problem", failure.problem);
  } else if (reader.contains("hidden")) {
    add_hidden_states(document, reader);
  } else {
    add_statistics(document, reader);
  }
  return document;
}

}  // namespace tessera::jobs
