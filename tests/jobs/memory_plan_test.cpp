#include "jobs/memory_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera::jobs {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// The shape of SmolLM2-135M.
model::ModelConfig config() {
  model::ModelConfig c;
  c.architecture = "LlamaForCausalLM";
  c.hidden_size = 576;
  c.intermediate_size = 1536;
  c.num_blocks = 30;
  c.num_heads = 9;
  c.num_kv_heads = 3;
  c.head_dim = 64;
  c.vocab_size = 49152;
  c.tied_embeddings = true;
  return c;
}

QuantizeJob job(std::uint64_t host_memory) {
  QuantizeJob j;
  j.calibration.num_samples = 512;
  j.calibration.max_seq_length = 512;
  j.calibration.num_shards = 8;
  j.runtime.host_memory = host_memory;
  return j;
}

MemoryPlan plan(std::uint64_t host_memory, std::size_t ranks = 1) {
  const auto j = job(host_memory);
  return plan_memory(j, config(), plan_units(config(), j.quantize), ranks, 1);
}

TEST(MemoryPlan, WithoutABoundEverythingStaysInMemory) {
  EXPECT_TRUE(plan(0).hidden_in_memory);
  EXPECT_EQ(plan(0).max_hidden_bytes, 0u);
}

TEST(MemoryPlan, LeavesHiddenStatesInFilesWhenTheyDoNotFit) {
  const std::uint64_t hidden = 512ull * 512 * 576 * 4;  // 604 MB, all shards on one rank
  const auto kept = plan(0).calibrate_bytes;
  EXPECT_GT(kept, hidden);
  EXPECT_TRUE(plan(kept).hidden_in_memory);
  const auto tight = plan(kept - 1);
  EXPECT_FALSE(tight.hidden_in_memory);
  EXPECT_LT(tight.calibrate_bytes, kept - hidden / 2);
}

// A second triangle of each input while calibrating; two more squares, codes and tokens while
// solving.
TEST(MemoryPlan, CountsWhatResidualsTake) {
  QuantizeJob with = job(0);
  with.residual.bits = 4;
  with.residual.k_chunk = 32;
  model::ModelConfig few_words = config();  // so that embedding is not what takes most
  few_words.vocab_size = 500;
  const auto units = plan_units(few_words, with.quantize);
  const auto planned = plan_memory(with, few_words, units, 1, 1);
  const auto plain = plan_memory(job(0), few_words, units, 1, 1);
  const std::uint64_t squares = 8ull * (3 * 576 * 576 + 1536 * 1536);
  EXPECT_GE(planned.calibrate_bytes, plain.calibrate_bytes + squares);
  EXPECT_GE(planned.solve_bytes, plain.solve_bytes + 3ull * 8 * 1536 * 1536 + 5ull * 576 * 1536);
}

// Of each sample, the states of seven kinds of layers, the original's and those before a group.
TEST(MemoryPlan, CountsWhatABudgetsDivergencesTake) {
  auto j = job(3'000'000'000);
  const auto units = plan_units(config(), j.quantize);
  j.quantize.budget.bits_per_weight = 2.25;
  EXPECT_NO_THROW(plan_memory(j, config(), units, 1, 1));
  j.quantize.budget.samples = 512;  // 9 * 512 * 512 * 576 * 4 bytes
  EXPECT_THAT([&] { plan_memory(j, config(), units, 1, 1); },
              ThrowsMessage<InputError>(AllOf(HasSubstr("runtime.host_memory is 3.0 GB"),
                                              HasSubstr("allocating takes"))));
  j.quantize.budget.measure = LossMeasure::output_error;
  EXPECT_NO_THROW(plan_memory(j, config(), units, 1, 1));
}

TEST(MemoryPlan, LearnedPositionsCountAmongTheEmbeddings) {
  model::ModelConfig learned = config();
  learned.positions = model::Positions::learned;
  learned.max_positions = 2048;
  QuantizeJob j = job(0);
  j.evaluation.text = "text.txt";
  const auto plan_of = [&](const model::ModelConfig& c) {
    return plan_memory(j, c, plan_units(c, j.quantize), 1, 1);
  };
  const auto most = plan_of(learned), plain = plan_of(config());
  EXPECT_EQ(most.least_evaluate_bytes - plain.least_evaluate_bytes, 2 * 2050ull * 576 * 4)
      << "the original's and the packed model's";
}

/// Llama 3 70B, whose down projection reads 28,672 channels: a square of doubles takes 6.6 GB.
TEST(MemoryPlan, ABlockOf70BFitsIn20GiBOnAnyNumberOfRanks) {
  model::ModelConfig llama = config();
  llama.hidden_size = 8192;
  llama.intermediate_size = 28672;
  llama.num_blocks = 80;
  llama.num_heads = 64;
  llama.num_kv_heads = 8;
  llama.head_dim = 128;
  llama.vocab_size = 128256;
  llama.tied_embeddings = false;
  QuantizeJob j = job(std::uint64_t{20} << 30);
  j.calibration.num_samples = 128;
  j.calibration.max_seq_length = 2048;
  for (const std::size_t ranks : {1, 2, 8}) {
    const auto planned = plan_memory(j, llama, plan_units(llama, j.quantize), ranks, 2);
    const std::uint64_t square = 28672ull * 28672 * 8;
    EXPECT_GT(planned.solve_bytes, 2 * square) << "the Hessian, its factor and the inverse of that";
    EXPECT_LT(planned.solve_bytes, std::uint64_t{20} << 30);
    EXPECT_GT(planned.calibrate_bytes, square) << "a partial";
  }
  // To be scored, by hand: a block's weights, the largest of them once more, and for 4096 tokens
  // what is inside a block and two models' hidden states; neither embedding (4.2 GB) nor head (as
  // much).
  j.evaluation.text = "text.txt";
  const auto scored = plan_memory(j, llama, plan_units(llama, j.quantize), 8, 2);
  const double down = 4.0 * 8192 * 28672, block = 3 * down + 4.0 * 8192 * (2 * 8192 + 2 * 1024);
  const double inside = 4.0 * 4096 * (2 * 8192 + 2 * 1024 + 28672), hidden = 2 * 4.0 * 4096 * 8192;
  const double by_hand = block + down + inside + hidden;
  EXPECT_NEAR(static_cast<double>(scored.least_evaluate_bytes), by_hand, 0.03 * by_hand);
}

TEST(MemoryPlan, ARankHoldsItsOwnShardsOnly) {
  EXPECT_LT(plan(0, 8).calibrate_bytes, plan(0, 1).calibrate_bytes - 500'000'000);
}

TEST(MemoryPlan, SaysBeforeStartingWhatCannotFitAndWhy) {
  EXPECT_THAT([] { plan(50'000'000); },
              ThrowsMessage<InputError>(AllOf(HasSubstr("runtime.host_memory is 50.0 MB"),
                                              HasSubstr("at least"), HasSubstr("weights"))));
}

// Resident sets of the sample model's 2-bit job with two threads: 297 MB at the most while it
// calibrated on 64 x 512 tokens, 408 MB while 40 windows of 2048 were scored with one model whose
// embeddings were in memory, as they are not any more; a run holds the packed model's hidden states
// besides.
TEST(MemoryPlan, IsWithinATenthOfWhatWasMeasured) {
  QuantizeJob j = job(0);
  j.calibration.num_samples = 64;
  j.evaluation.text = "text.txt";
  j.evaluation.windows = 40;
  const auto planned = plan_memory(j, config(), plan_units(config(), j.quantize), 1, 2);
  EXPECT_NEAR(static_cast<double>(planned.calibrate_bytes), 297e6, 29.7e6);
  const double embeddings = 4.0 * 576 * 49152, second_model = 4.0 * 576 * 40 * 2048;
  const double scored = 408e6 - embeddings + second_model;
  EXPECT_NEAR(static_cast<double>(planned.evaluate_bytes), scored, 0.1 * scored);
  EXPECT_EQ(planned.peak_bytes(), planned.evaluate_bytes);
  EXPECT_EQ(planned.costliest_stage(), "evaluating");
}

// By hand, for a down projection of a 70B model whose vectors are clustered: the Hessian in fp64
// and one square in fp32; weights seven times (as they are, three forms in tiles, and the vectors
// thrice, each with an eighth for its weight, and five numbers of a vector), indices of 2 bytes for
// 8 weights; the program itself.
TEST(MemoryPlan, ALargeLayersSolveHoldsItsHessianAndOneSquare) {
  model::ModelConfig large = config();
  large.hidden_size = 8192;
  large.intermediate_size = 28672;
  large.num_heads = 64;
  large.num_kv_heads = 8;
  large.head_dim = 128;
  large.num_blocks = 1;
  const QuantizeJob j = job(0);
  const auto planned = plan_memory(j, large, plan_units(large, j.quantize), 1, 1);
  const double weights = 4.0 * 8192 * 28672, square = 4.0 * 28672 * 28672;
  const double by_hand = 3 * square + (1 + 3 + 3 * 1.125 + 5 * 0.125 + 0.0625) * weights + 84e6;
  EXPECT_NEAR(static_cast<double>(planned.solve_bytes), by_hand, 0.01 * by_hand);
}

}  // namespace
}  // namespace tessera::jobs
