// A rank that comes late out of every collective call: no other may have taken away what it still
// has to read, whatever of the run is there from before.
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "cluster/thread_communicator.hpp"
#include "tests/end_to_end/tiny_job.hpp"
#include "tests/support/forwarding_communicator.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using jobs::ExistingRun;
using test::contents_of;

/// What a rank does right after a collective call it does late.
class Late final : public test::ForwardingCommunicator {
 public:
  using ForwardingCommunicator::ForwardingCommunicator;
  void barrier() override {
    ForwardingCommunicator::barrier();
    wait();
  }
  std::vector<std::string> all_gather(const std::string& mine) override {
    auto all = ForwardingCommunicator::all_gather(mine);
    wait();
    return all;
  }
  void exchange(const std::vector<std::span<const double>>& to,
                const std::vector<std::span<double>>& from) override {
    ForwardingCommunicator::exchange(to, from);
    wait();
  }
  void reset_tickets() override {
    ForwardingCommunicator::reset_tickets();
    wait();
  }

 private:
  /// Much longer than the other rank takes to the next thing it might take away.
  static void wait() { std::this_thread::sleep_for(std::chrono::milliseconds(10)); }
};

void run_with_late_rank(const jobs::QuantizeJob& job, std::size_t late_rank) {
  StopFlag stop;
  cluster::run_as_threads(2, stop, [&](cluster::Communicator& comm) {
    SilentLog log;
    Threads threads(1);
    Late late(comm);
    const bool is_late = comm.rank() == late_rank;
    jobs::RunContext context{threads, log, is_late ? late : comm, stop};
    jobs::run_quantize_job(job, ExistingRun::resume, context);
  });
}

/// Everything made while a rank is late, then only the output; then nothing at all.
void expect_one_answer(const jobs::QuantizeJob& job) {
  test::run_job(job);
  const auto expected = contents_of(job.output.dir);
  for (const std::size_t late_rank : {0, 1}) {
    fs::remove_all(job.runtime.work_dir);
    for (const char* what : {"everything", "the output"}) {
      fs::remove_all(job.output.dir);
      run_with_late_rank(job, late_rank);
      EXPECT_TRUE(contents_of(job.output.dir) == expected)
          << "rank " << late_rank << " is late, made was " << what;
    }
    run_with_late_rank(job, late_rank);
    EXPECT_TRUE(contents_of(job.output.dir) == expected) << "nothing was left to make";
  }
}

class LateRank : public testing::Test {
 protected:
  test::TemporaryFolder folder_;
  jobs::QuantizeJob job_ =
      test::write_tiny_job(folder_.path(), {.hidden_size = 32, .intermediate_size = 40});
};

TEST_F(LateRank, WithResiduals) {
  job_.residual.bits = 4;
  job_.residual.k_chunk = 200;
  expect_one_answer(job_);
}

TEST_F(LateRank, EqualizedAndWithABudget) {
  job_.quantize.method = jobs::Method::aweq;
  job_.output.format = jobs::OutputFormat::compressed_tensors;
  job_.quantize.aweq.integers.group_size = 8;
  job_.quantize.budget.bits_per_weight = 6.5;
  for (const auto scheme : {solver::Scheme::w4a16, solver::Scheme::w8a16}) {
    job_.quantize.budget.candidates.emplace_back().scheme = scheme;
  }
  expect_one_answer(job_);
}

}  // namespace
}  // namespace tessera
