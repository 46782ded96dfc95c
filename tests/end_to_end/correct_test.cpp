// Biases corrected by what calibration samples show: the changes against sums of plain loops, one
// answer for every number of ranks, wherever stopped.
#include <gtest/gtest.h>

#include "calibration/tokens.hpp"
#include "cluster/self_communicator.hpp"
#include "format/integer_folder.hpp"
#include "forward/block.hpp"
#include "forward/embedding.hpp"
#include "jobs/corrected_layers.hpp"
#include "jobs/memory_plan.hpp"
#include "jobs/stale_parts.hpp"
#include "jobs/work_folder.hpp"
#include "linalg/quantize_rows.hpp"
#include "model/safetensors_file.hpp"
#include "solver/aweq/bias_correction.hpp"
#include "store/archive.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using jobs::ExistingRun;
using model::InputRole;
using test::contents_of;

class Correct : public testing::Test {
 protected:
  Correct() {
    job_.quantize.method = jobs::Method::aweq;
    job_.quantize.aweq.integers.group_size = 16;
    job_.quantize.aweq.integers.scheme = solver::Scheme::w3a16;
    job_.quantize.aweq.bias_correction = solver::BiasCorrection::empirical;
    job_.output.format = jobs::OutputFormat::compressed_tensors;
    job_.output.dtype = StoredType::float32;
  }
  void start_over() {
    fs::remove_all(job_.output.dir);
    fs::remove_all(job_.runtime.work_dir);
  }
  std::map<std::string, std::string> make_expected() {
    test::run_job(job_, ExistingRun::refuse, 1);
    auto bytes = contents_of(job_.output.dir);
    start_over();
    return bytes;
  }

  test::TemporaryFolder folder_;
  jobs::QuantizeJob job_ = test::write_tiny_job(folder_.path(), {.hidden_size = 32,
                                                                 .intermediate_size = 64,
                                                                 .num_heads = 4,
                                                                 .num_kv_heads = 2,
                                                                 .num_blocks = 2});
};

/// What the linear layers of one block read, for all calibration samples.
class Inputs final : public forward::InputListener {
 public:
  void on_input(InputRole role, MatrixView<const float> x) override {
    Matrix<float>& kept = of_role[role] = Matrix<float>(x.rows, x.cols);
    for (std::size_t i = 0; i < x.rows; ++i) std::ranges::copy(x.row_span(i), kept.view().row(i));
  }
  std::map<InputRole, Matrix<float>> of_role;
};

/// One model walked through, block by block.
class Walk {
 public:
  Walk(const jobs::QuantizeJob& job, const fs::path& folder, const model::TensorSource& source)
      : config_(model::read_model_config(folder)),
        source_(source),
        length_(static_cast<std::size_t>(job.calibration.max_seq_length)),
        num_samples_(static_cast<std::size_t>(job.calibration.num_samples)),
        forward_(config_, length_) {
    calibration::TokenStream stream;
    store::load(job.calibration.tokens, {{"kind", "tokens"}, {"version", "1"}}, stream);
    hidden_ = Matrix<float>(num_samples_ * length_, config_.hidden_size);
    forward::EmbeddingAndHead(config_, source)
        .embed(std::span(stream.tokens).first(num_samples_ * length_), length_, hidden_);
  }
  Inputs step(std::size_t block) {
    Inputs inputs;
    Threads threads(1);
    forward_.run(threads, forward::load_block(config_, source_, block), {num_samples_, length_},
                 hidden_, &inputs);
    return inputs;
  }
  std::size_t length() const { return length_; }

  /// Outputs (tokens, out_features) in double precision, without a bias.
  Matrix<double> outputs(const model::LinearLayer& layer, const Matrix<float>& input) const {
    const auto weight =
        source_.read_matrix(layer.name + ".weight", layer.out_features, layer.in_features);
    Matrix<float> x = input.copy();
    if (const auto rounding = source_.input_quantization(layer.name)) {
      linalg::quantize_rows_reference(x, *rounding);
    }
    Matrix<double> y(x.rows(), layer.out_features);
    for (std::size_t t = 0; t < x.rows(); ++t) {
      for (std::size_t i = 0; i < layer.out_features; ++i) {
        for (std::size_t j = 0; j < layer.in_features; ++j) {
          y(t, i) += double{x(t, j)} * double{weight(i, j)};
        }
      }
    }
    return y;
  }

 private:
  model::ModelConfig config_;
  const model::TensorSource& source_;
  std::size_t length_, num_samples_;
  forward::BlockForward forward_;
  Matrix<float> hidden_;
};

/// The packed model holds every correction, so what its layers read is what they read when they
/// were measured; the mean error without a layer's own bias is what that bias was made from. v's
/// stands in o's bias.
void expect_changes_as_measured(const jobs::QuantizeJob& job) {
  const format::IntegerFolder packed(job.output.dir);
  const model::SafetensorsFolder plain(job.model.path);
  const auto config = model::read_model_config(job.model.path);
  Walk original(job, job.model.path, plain), quantized(job, job.output.dir, packed);
  std::size_t num_corrected = 0, num_left = 0;
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    const Inputs before = original.step(block), after = quantized.step(block);
    std::vector<float> moved;
    for (const auto& layer : model::linear_layers(config, block)) {
      const auto y = original.outputs(layer, before.of_role.at(layer.input().role));
      auto found = quantized.outputs(layer, after.of_role.at(layer.input().role));
      const bool is_v = layer.role == model::LinearRole::v,
                 is_o = layer.role == model::LinearRole::o;
      for (std::size_t k = 0; is_o && k < found.size(); ++k) {
        found.data()[k] += double{moved[k % layer.out_features]};
      }
      std::vector<double> mean(layer.out_features), square(layer.out_features);
      std::uint64_t count = 0;
      for (std::size_t t = 0; t < y.rows(); ++t) {
        if (t % original.length() == 0) continue;
        ++count;
        for (std::size_t i = 0; i < layer.out_features; ++i) mean[i] += found(t, i) - y(t, i);
        for (std::size_t i = 0; i < layer.out_features; ++i) {
          square[i] += (found(t, i) - y(t, i)) * (found(t, i) - y(t, i));
        }
      }
      for (double& m : mean) m /= static_cast<double>(count);
      for (double& s : square) s /= static_cast<double>(count);
      auto expected = solver::correct_mean_error(mean, square, count).change;
      expected.empty() ? ++num_left : ++num_corrected;
      expected.resize(layer.out_features);
      for (std::size_t i = 0; is_o && i < expected.size(); ++i) expected[i] += moved[i];
      if (is_v) {
        const auto o = model::linear_layer(config, block, model::LinearRole::o);
        moved = jobs::passed_through_attention(
            config, packed.read_matrix(o.name + ".weight", o.out_features, o.in_features),
            expected);
        std::ranges::fill(expected, 0.0f);
      }
      std::vector<float> bias(layer.out_features);
      if (packed.contains(layer.name + ".bias"))
        bias = packed.read_vector(layer.name + ".bias", bias.size());
      for (std::size_t i = 0; i < bias.size(); ++i) {
        ASSERT_NEAR(bias[i], expected[i], 2e-5) << layer.name << " output " << i;
      }
    }
  }
  EXPECT_GT(num_corrected, num_left) << "the job is no test: few corrections pay";
}

TEST_F(Correct, TakesAwayTheMeanOfWhatSamplesShow) {
  job_.quantize.aweq.equalize = solver::Equalize::none;  // else the original's outputs are scaled
  test::run_job(job_);
  expect_changes_as_measured(job_);
}

TEST_F(Correct, OneAnswerForEveryNumberOfRanksAndThreads) {
  const auto expected = make_expected();
  for (const std::size_t ranks : {1, 2, 3, 7}) {
    for (const std::size_t threads : {1, 3}) {
      test::run_job_on_ranks(job_, ExistingRun::refuse, ranks, threads);
      EXPECT_TRUE(contents_of(job_.output.dir) == expected) << ranks << " ranks, " << threads;
      start_over();
    }
  }
}

TEST_F(Correct, StoppedAnywhereAndResumedOnAnotherNumberOfRanks) {
  const auto expected = make_expected();
  int num_stopped = 0;
  for (int event = 1;; event += 3) {
    const bool has_ended = test::run_until_event(job_, 2, event);
    num_stopped += has_ended ? 0 : 1;
    test::run_job_on_ranks(job_, ExistingRun::resume, 3, 1);
    EXPECT_TRUE(contents_of(job_.output.dir) == expected) << "stopped at event " << event;
    start_over();
    if (has_ended) break;
  }
  EXPECT_GT(num_stopped, 8);
}

TEST_F(Correct, HoldsBothModelsStatesInFilesWhereMemoryIsShort) {
  const auto expected = make_expected();
  const auto config = model::read_model_config(job_.model.path);
  const auto units = jobs::plan_units(config, job_.quantize);
  const auto plan = [&] { return jobs::reckon_memory(job_, config, units, 2, 1); };
  job_.runtime.host_memory = plan().correct_bytes - 1;
  ASSERT_FALSE(plan().corrected_in_memory);
  test::run_job_on_ranks(job_, ExistingRun::refuse, 2, 1);
  EXPECT_TRUE(contents_of(job_.output.dir) == expected);
}

/// Experts' layers and those that fail or are no target stand in the walk and are left alone.
TEST_F(Correct, LayersThatAreNotQuantizedAreWalkedThrough) {
  job_.quantize.ignore = {"lm_head", "layers\\.0\\..*", "layers\\.1\\..*down_proj"};
  const auto report = test::run_job(job_);
  EXPECT_EQ(jobs::exit_code(report), 0);
  EXPECT_FALSE(fs::exists(job_.runtime.work_dir / "corrected" / "block-00000.h5"));
  EXPECT_TRUE(fs::exists(job_.runtime.work_dir / "corrected" / "block-00001.h5"));
}

TEST_F(Correct, ARedoOfOneLayerCorrectsAllAgain) {
  test::run_job(job_);
  job_.quantize.overrides = {{"layers\\.0\\..*down_proj", {}, job_.quantize.aweq}};
  job_.quantize.overrides[0].aweq.integers.refine_rounds = 0;
  SilentLog log;
  StopFlag stop;
  Threads threads(1);
  cluster::SelfCommunicator alone;
  jobs::RunContext context{threads, log, alone, stop, {}, "layers\\.0\\..*down_proj"};
  const auto stale = jobs::preview_redo(context, job_);
  EXPECT_EQ(stale.layers.size(), 1u);
  EXPECT_FALSE(stale.shards.empty());
  jobs::run_quantize_job(job_, ExistingRun::redo, context);
  const auto redone = contents_of(job_.output.dir);
  start_over();
  test::run_job(job_);
  EXPECT_TRUE(contents_of(job_.output.dir) == redone);
}

}  // namespace
}  // namespace tessera
