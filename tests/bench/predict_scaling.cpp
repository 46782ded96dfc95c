// Predicts a job's time on 1 to 64 ranks from what was measured on one and two of them:
//     predict_scaling JOB.yaml CALIBRATE_1 SOLVE_1 SENT_MB REDUCTION_2
// CALIBRATE_1 and SOLVE_1: seconds of the stages on one rank; SENT_MB and REDUCTION_2: what a run
// on two ranks logs of its reduction. See tests/bench/scaling.py, which measures and calls this.
#include <cstdlib>
#include <exception>

#include <fmt/format.h>

#include "calibration/flat_statistics.hpp"
#include "jobs/cost_model.hpp"
#include "jobs/plan.hpp"
#include "jobs/settings/job_file.hpp"
#include "model/model_config.hpp"

namespace {

using namespace tessera;

jobs::RunShape shape_of(const jobs::QuantizeJob& job) {
  const auto config = model::read_model_config(job.model.path);
  const auto units = jobs::plan_units(config, job.quantize);
  jobs::RunShape shape;
  shape.num_blocks = config.num_blocks;
  shape.num_shards = static_cast<std::size_t>(job.calibration.num_shards);
  for (const auto& slab : jobs::slab_files(config, units, 0)) {
    shape.partial_bytes += slab.range.size() * sizeof(double);
  }
  for (const std::size_t i : jobs::biggest_first(units)) {
    shape.unit_costs.push_back(jobs::solve_cost(units[i]));
  }
  return shape;
}

jobs::RunRates rates_of(const jobs::RunShape& shape, char** figures) {
  const double calibrate = std::atof(figures[0]), solve = std::atof(figures[1]);
  const double sent = std::atof(figures[2]) * 1e6, reduction = std::atof(figures[3]);
  double cost = 0;
  for (const double unit : shape.unit_costs) cost += unit;
  jobs::RunRates rates;
  rates.seconds_per_shard = calibrate / static_cast<double>(shape.num_blocks * shape.num_shards);
  rates.reduced_bytes_per_second = reduction > 0 ? sent / reduction : 0;
  rates.seconds_per_cost = solve / cost;
  return rates;
}

int run(char** arguments) {
  const auto job = jobs::read_job(arguments[1], {}).job;
  const auto shape = shape_of(job);
  const auto rates = rates_of(shape, arguments + 2);
  const double alone = predict_time(shape, rates, 1).total();
  fmt::print(
      "| ranks | calibrate | of it reduction | solve | times as fast |\n| --- | --- | --- | --- | "
      "--- |\n");
  for (const std::size_t ranks : {1, 2, 4, 8, 16, 32, 64}) {
    const auto time = predict_time(shape, rates, ranks);
    fmt::print("| {} | {:.1f} s | {:.1f} s | {:.1f} s | {:.2f} |\n", ranks, time.calibrate_seconds,
               time.reduction_seconds, time.solve_seconds, alone / time.total());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    fmt::print(stderr, "usage: predict_scaling JOB.yaml CALIBRATE_1 SOLVE_1 SENT_MB REDUCTION_2\n");
    return 2;
  }
  try {
    return run(argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "predict_scaling: {}\n", error.what());
    return 1;
  }
}
