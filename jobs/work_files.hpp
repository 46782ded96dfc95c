#pragma once
#include <map>
#include <string>

#include <fmt/core.h>

#include "calibration/input_statistics.hpp"
#include "jobs/ladder.hpp"
#include "model/architecture.hpp"
#include "residual/compensation_error.hpp"
#include "residual/residual_layer.hpp"
#include "solver/quantized_layer.hpp"
#include "solver/solve_report.hpp"

// What stands in the work folder's HDF5 files, each type walking its fields past an archive
// (store/archive.hpp).
namespace tessera::jobs {

/// The statistics of a block's inputs: a partial of one shard, or what is being put together.
struct BlockStatistics {
  std::map<model::InputKey, calibration::InputStatistics> of_role;
  std::map<model::InputKey, std::string>
      not_finite;  ///< of a partial: the first such number, in words
};

/// equalized/block-00004.h5: what the inputs of a block are divided by, and how that was found.
struct BlockEqualization {
  struct OfInput {
    std::vector<float> scale;  ///< (channels); empty: none
    std::string rule;          ///< "abs_max ^ 0.50"
    double error = 0, plain_error = 0;
  };
  std::map<model::InputKey, OfInput> of_role;
};

template <class Archive>
void archive(Archive& a, BlockEqualization::OfInput& e) {
  a("scale", e.scale);
  a("rule", e.rule);
  a("error", e.error);
  a("plain_error", e.plain_error);
}

template <class Archive>
void archive(Archive& a, BlockEqualization& e) {
  for (std::size_t r = 0; r < model::kNumInputRoles; ++r) {
    const auto role = static_cast<model::InputRole>(r);
    a(std::string(model::name_of(role)).c_str(), e.of_role[role]);
  }
  const auto last = e.of_role.rbegin()->first.expert;  // in order: mlp_hidden, the last expert's
  std::uint64_t num_experts = last ? *last + 1 : 0;
  if constexpr (Archive::kIsReader) {
    if (!a.contains("num_experts")) return;
  } else if (num_experts == 0) {
    return;
  }
  a("num_experts", num_experts);
  for (std::size_t expert = 0; expert < num_experts; ++expert) {
    a(fmt::format("mlp_hidden-expert-{:05}", expert).c_str(),
      e.of_role[{model::InputRole::mlp_hidden, expert}]);
  }
}

/// solved/block-00004/mlp.down_proj.h5: a layer as it will be packed, and how it went.
struct SolvedLayer {
  solver::QuantizedLayer layer;
  solver::SolveReport report;
  residual::ResidualLayer residual = {};                       ///< bits 0: none
  std::vector<residual::CompensationPoint> compensation = {};  ///< what it is worth, on kept tokens
  double weight_error = 0;         ///< |W - W'|^2 / |W|^2, W as it was solved and W' as stored
  std::vector<float> bias_change;  ///< to be added to the outputs, reckoned when it was solved
                                   ///< (corrected_layers.hpp); empty: nothing
  double seconds = 0;              ///< of this solve; the one field that differs from run to run
  std::vector<Rung> ladder = {};   ///< where it failed at first: every try, the last of which held
  bool is_kept = false;            ///< not quantized: `layer` and `residual` are empty

  bool is_degraded() const { return !ladder.empty(); }
};

template <class Archive>
void archive(Archive& a, SolvedLayer& s) {
  a("layer", s.layer);
  a("proxy_error", s.report.proxy_error);
  a("damp_fraction", s.report.damp_fraction);
  a("bias_gain", s.report.bias_gain);
  a("num_dead_columns", s.report.num_dead_columns);
  a("remarks", s.report.remarks);
  a("residual", s.residual);
  a("compensation", s.compensation);
  a("weight_error", s.weight_error);
  bool has_change = !s.bias_change.empty();
  if constexpr (Archive::kIsReader) has_change = a.contains("bias_change");
  if (has_change) a("bias_change", s.bias_change);
  a("seconds", s.seconds);
  a("ladder", s.ladder);
  a("is_kept", s.is_kept);
}

/// corrected/block-00004.h5: what is added to the outputs of a block's layers, as samples showed
/// it.
struct BlockCorrection {
  struct OfLayer {
    std::vector<float> change;  ///< (out_features); empty: it does not pay
    double gain = 0;            ///< share of the output's squared error that it removes
  };
  std::map<std::string, OfLayer> of_module;  ///< "self_attn.v_proj"
};

template <class Archive>
void archive(Archive& a, BlockCorrection::OfLayer& c) {
  a("change", c.change);
  a("gain", c.gain);
}

template <class Archive>
void archive(Archive& a, BlockCorrection& c) {
  std::vector<std::string> modules;
  for (const auto& [module, layer] : c.of_module) modules.push_back(module);
  a("corrected_modules", modules);
  for (const std::string& module : modules) a(module, c.of_module[module]);
}

/// allocation/block-00004/mlp.down_proj.h5: what each recipe would do to a layer, by a rough solve.
struct MeasuredLayer {
  std::vector<double> error;     ///< tr(E H E^T) by recipe (jobs/recipes.hpp)
  double output = 0;             ///< tr(W H W^T)
  solver::QuantizedLayer rough;  ///< as the first recipe makes it
};

template <class Archive>
void archive(Archive& a, MeasuredLayer& m) {
  a("error", m.error);
  a("output", m.output);
  a("rough", m.rough);
}

/// allocation/divergence-00003.h5: what the errors of a group of blocks do to the model's
/// predictions, in nats a token.
struct GroupDivergence {
  double of_all = 0;               ///< of the model whose layers are all rough
  std::vector<std::string> kinds;  ///< of layers in the group: "mlp.down_proj"
  std::vector<double> without;     ///< by kind: where those of the group are left as they were
};

template <class Archive>
void archive(Archive& a, GroupDivergence& d) {
  a("of_all", d.of_all);
  a("kinds", d.kinds);
  a("without", d.without);
}

/// allocation/choice.h5: the recipe of every layer.
struct Allocation {
  std::vector<std::uint64_t> recipe;  ///< by unit: an index into its recipes
  std::vector<double> loss;           ///< predicted, in what the job makes least
  std::vector<double> own_loss;       ///< the same with the method's own recipe
};

template <class Archive>
void archive(Archive& a, Allocation& c) {
  a("recipe", c.recipe);
  a("loss", c.loss);
  a("own_loss", c.own_loss);
}

}  // namespace tessera::jobs
