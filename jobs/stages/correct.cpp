#include "jobs/stages/correct.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include <fmt/core.h>

#include "calibration/calibration_shards.hpp"
#include "cluster/agreement.hpp"
#include "jobs/corrected_layers.hpp"
#include "jobs/output_error_walk.hpp"
#include "jobs/replaced_weights.hpp"
#include "solver/aweq/bias_correction.hpp"

namespace tessera::jobs {
namespace {

const std::string kOriginal = std::string(kCorrectedFolder) + "original";
const std::string kQuantized = std::string(kCorrectedFolder) + "quantized";

bool all_finite(const std::vector<double>& values) {
  return std::ranges::all_of(values, [](double v) { return std::isfinite(v); });
}

class Correction {
 public:
  Correction(RunContext& run, const PreparedRun& prepared, WorkFolder& work)
      : run_(run),
        prepared_(prepared),
        work_(work),
        shards_(calibration::cut_into_shards(
            prepared.num_samples(), static_cast<std::size_t>(prepared.job.calibration.num_shards))),
        own_shards_(shards_of_rank(shards_.size(), run.comm.rank(), run.comm.size())),
        original_(prepared, work),
        quantized_(
            prepared, original_,
            [&work](const model::LinearLayer& layer) -> std::optional<solver::QuantizedLayer> {
              SolvedLayer solved = load_solved(work, layer);
              if (solved.is_kept) return std::nullopt;
              return std::move(solved.layer);
            }),
        walk_(run, prepared, shards_) {}

  void run() {
    const Tile blocks = blocks_to_walk(
        blocks_of(prepared_.units),
        [&](std::size_t block) { return work_.is_committed(corrected_file(block)); },
        [&](std::size_t block) { return has_hidden(block); });
    if (blocks.size() == 0) return;
    const bool in_memory = prepared_.memory.corrected_in_memory;
    HiddenStates before(run_, prepared_, work_, shards_, own_shards_, blocks.begin,
                        {kOriginal, in_memory});
    HiddenStates after(run_, prepared_, work_, shards_, own_shards_, blocks.begin,
                       {kQuantized, in_memory});
    double longest_seconds = 0;
    for (std::size_t block = blocks.begin; block < blocks.end; ++block) {
      say(block, blocks);
      require_time(run_.comm, run_.deadline, "a block's biases", longest_seconds);
      const auto start = std::chrono::steady_clock::now();
      correct_block(before, after, block, block + 1 == blocks.end);
      const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
      longest_seconds = std::max(longest_seconds, taken.count());
    }
    say(blocks.end, blocks);
  }

 private:
  bool has_hidden(std::size_t block) {
    for (std::size_t s = 0; s < shards_.size(); ++s) {
      for (const std::string& folder : {kOriginal, kQuantized}) {
        if (!work_.is_committed(hidden_file(block, s, shards_.size(), folder))) return false;
      }
    }
    return true;
  }

  void correct_block(HiddenStates& before, HiddenStates& after, std::size_t block, bool is_last) {
    BlockPair pair{forward::load_block(prepared_.config, original_, block),
                   forward::load_block(prepared_.config, quantized_, block)};
    const auto blocks = blocks_of(prepared_.units);
    if (work_.is_committed(corrected_file(block))) {
      BlockCorrection stored;
      work_.load(corrected_file(block), "corrected", stored);
      apply(stored, block, pair.quantized);
    } else if (std::ranges::find(blocks, block) != blocks.end()) {
      const BlockCorrection found = measure(before, after, block, pair);
      if (run_.comm.is_first()) work_.commit(corrected_file(block), "corrected", found);
    }
    if (!is_last) {
      advance(before, pair.original, block);
      advance(after, pair.quantized, block);
    }
    run_.comm.barrier();  // the block is committed, on all ranks
    if (block == 0) return;
    before.drop(block - 1);
    after.drop(block - 1);
  }

  /// The layers of a block that are corrected and read the input @p role.
  std::vector<model::LinearLayer> corrected_readers(std::size_t block,
                                                    model::InputRole role) const {
    std::vector<model::LinearLayer> layers;
    for (const LayerUnit& unit : prepared_.units) {
      if (unit.layer.block == block && unit.layer.input().role == role &&
          is_corrected_in_order(prepared_.config, unit) &&
          !load_solved(work_, unit.layer).is_kept) {
        layers.push_back(unit.layer);
      }
    }
    return layers;
  }

  /// Leaves what it finds in @p pair's biases: each input is that behind corrected layers.
  BlockCorrection measure(HiddenStates& before, HiddenStates& after, std::size_t block,
                          BlockPair& pair) {
    BlockCorrection found;
    for (std::size_t r = 0; r < model::kNumInputRoles; ++r) {
      const auto layers = corrected_readers(block, static_cast<model::InputRole>(r));
      if (layers.empty()) continue;
      const auto errors = walk_.measure(pair, layers, block, before, after);
      BlockCorrection of_input;
      for (std::size_t i = 0; i < layers.size(); ++i) {
        of_input.of_module[layers[i].module] = correction_of(layers[i].name, errors[i]);
      }
      apply(of_input, block, pair.quantized);
      found.of_module.merge(of_input.of_module);
    }
    return found;
  }

  BlockCorrection::OfLayer correction_of(const std::string& layer,
                                         const calibration::OutputErrors& errors) const {
    const auto mean = errors.mean(), square = errors.mean_square();
    if (!all_finite(mean) || !all_finite(square)) {
      if (run_.comm.is_first()) {
        run_.log.warning(layer +
                         ": its outputs are not finite on the calibration samples; its bias "
                         "stays as it is");
      }
      return {};
    }
    auto corrected = solver::correct_mean_error(mean, square, errors.num_tokens());
    if (run_.comm.is_first()) {
      run_.log.detail(
          fmt::format("{}: the mean is {:.4f} of its output error", layer, corrected.gain));
    }
    return {std::move(corrected.change), corrected.gain};
  }

  void apply(const BlockCorrection& correction, std::size_t block,
             forward::BlockWeights& quantized) const {
    for (const LayerUnit& unit : prepared_.units) {
      if (unit.layer.block != block) continue;
      const auto found = correction.of_module.find(unit.layer.module);
      if (found == correction.of_module.end() || found->second.change.empty()) continue;
      auto& bias = quantized.bias[static_cast<std::size_t>(unit.layer.role)];
      bias.resize(unit.layer.out_features);
      for (std::size_t i = 0; i < bias.size(); ++i) bias[i] += found->second.change[i];
    }
  }

  void advance(HiddenStates& states, const forward::BlockWeights& weights, std::size_t block) {
    for (const std::size_t shard : own_shards_) states.advance(shard, weights, block);
    states.commit(block);
  }

  void say(std::size_t block, const Tile& blocks) const {
    const auto done = static_cast<double>(block - blocks.begin);
    run_.log.progress(
        {"correct", "blocks", block, blocks.end, done / static_cast<double>(blocks.size()), ""});
  }

  RunContext& run_;
  const PreparedRun& prepared_;
  WorkFolder& work_;
  const std::vector<Tile> shards_;
  const std::vector<std::size_t> own_shards_;
  const EqualizedWeights original_;
  const ReplacedWeights quantized_;
  const OutputErrorWalk walk_;
};

}  // namespace

void correct(RunContext& run, const PreparedRun& prepared, WorkFolder& work) {
  if (!corrects_in_order(prepared.units)) return;
  Correction(run, prepared, work).run();
  run.comm.barrier();
  work.refresh();
  if (!run.comm.is_first()) return;
  for (const std::string& file : work.committed_below(kCorrectedFolder)) {
    if (is_hidden_file(file)) work.drop(file);  // left by an attempt that was killed
  }
}

}  // namespace tessera::jobs
