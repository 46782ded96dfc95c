#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "jobs/quantize_job.hpp"

namespace tessera::test {

/// Sizes of a LLaMA with random weights; none is a power of two where it need not be.
struct TinyModel {
  std::size_t hidden_size = 24;
  std::size_t intermediate_size = 36;
  std::size_t num_heads = 3;
  std::size_t num_kv_heads = 1;
  std::size_t head_dim = 8;
  std::size_t vocab_size = 61;
  std::size_t num_blocks = 3;
};

/// Writes config.json, model.safetensors (F32) and a tokenizer.json nobody reads.
void write_tiny_model(const std::filesystem::path& folder, const TinyModel& sizes);

/// Writes @p count random tokens below @p vocab_size as a token file.
void write_random_tokens(const std::filesystem::path& file, std::size_t count,
                         std::size_t vocab_size, std::uint64_t seed);

/// A job on them below @p folder: model/, calibration.h5, evaluation.h5, out/, work/. 7 samples of
/// 19 tokens in 3 shards.
jobs::QuantizeJob write_tiny_job(const std::filesystem::path& folder, const TinyModel& sizes = {});

/// Runs it on @p num_threads with @p log.
jobs::RunReport run_job(const jobs::QuantizeJob& job, jobs::ExistingRun existing,
                        std::size_t num_threads, Log& log);
jobs::RunReport run_job(const jobs::QuantizeJob& job,
                        jobs::ExistingRun existing = jobs::ExistingRun::refuse,
                        std::size_t num_threads = 2);

/// Runs it on ranks that are threads of this process.
jobs::RunReport run_job_on_ranks(const jobs::QuantizeJob& job, jobs::ExistingRun existing,
                                 std::size_t num_ranks, std::size_t num_threads);

/// Does something when it has heard its @p nth event.
class EventLog final : public Log {
 public:
  EventLog(int nth, std::function<void()> at_event) : left_(nth), at_event_(std::move(at_event)) {}
  void info(const std::string&) override { count(); }
  void warning(const std::string&) override { count(); }
  void detail(const std::string&) override { count(); }
  void progress(const Progress&) override { count(); }

 private:
  void count() {
    if (--left_ == 0) at_event_();
  }
  int left_;
  std::function<void()> at_event_;
};

/// Runs it on ranks that are threads until the first has said something @p event times, then asks
/// all to stop. True when the job ran to its end before.
bool run_until_event(const jobs::QuantizeJob& job, std::size_t num_ranks, int event);

/// Lets @p change have the values of one tensor of a model.safetensors of F32.
void change_tensor(const std::filesystem::path& model, const std::string& tensor,
                   const std::function<void(std::span<float> values)>& change);

/// Every file below @p folder with its bytes.
std::map<std::string, std::string> contents_of(const std::filesystem::path& folder);

}  // namespace tessera::test
