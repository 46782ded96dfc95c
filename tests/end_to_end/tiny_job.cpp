#include "tests/end_to_end/tiny_job.hpp"

#include <cmath>
#include <cstring>

#include <fmt/core.h>

#include "calibration/tokens.hpp"
#include "cluster/self_communicator.hpp"
#include "cluster/thread_communicator.hpp"
#include "core/atomic_file.hpp"
#include "core/dtype.hpp"
#include "core/json_value.hpp"
#include "core/random.hpp"
#include "model/architecture.hpp"
#include "model/safetensors_writer.hpp"
#include "store/archive.hpp"

namespace fs = std::filesystem;

namespace tessera::test {
namespace {

std::string config_json(const TinyModel& m) {
  return fmt::format(
      R"({{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
"hidden_size": {}, "intermediate_size": {}, "num_attention_heads": {}, "num_key_value_heads": {},
"head_dim": {}, "vocab_size": {}, "num_hidden_layers": {}, "max_position_embeddings": 128,
"rms_norm_eps": 1e-05, "rope_theta": 10000.0, "tie_word_embeddings": true, "torch_dtype": "float32"}})",
      m.hidden_size, m.intermediate_size, m.num_heads, m.num_kv_heads, m.head_dim, m.vocab_size,
      m.num_blocks);
}

/// Norms near one, matrices as wide as their input allows.
std::vector<float> random_values(const model::NamedShape& tensor) {
  const CounterRandom random(1, tensor.name, "tiny_model");
  std::size_t count = 1;
  for (const std::size_t side : tensor.shape) count *= side;
  const bool is_norm = tensor.shape.size() == 1;
  const double width = is_norm ? 0.1 : 1 / std::sqrt(static_cast<double>(tensor.shape.back()));
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>((is_norm ? 1 : 0) + width * random.normal(i));
  }
  return values;
}

}  // namespace

void write_tiny_model(const fs::path& folder, const TinyModel& sizes) {
  fs::create_directories(folder);
  write_file_atomically(folder / "config.json", config_json(sizes));
  write_file_atomically(folder / "tokenizer.json", "{}");
  std::vector<model::TensorToWrite> tensors;
  for (const auto& tensor : model::expected_tensors(model::read_model_config(folder))) {
    tensors.push_back({tensor.name, {DType::f32, tensor.shape}, [tensor](std::span<std::byte> out) {
                         convert_from_float(DType::f32, random_values(tensor), out.data());
                       }});
  }
  model::write_safetensors(folder, tensors, std::size_t{1} << 30);
}

void write_random_tokens(const fs::path& file, std::size_t count, std::size_t vocab_size,
                         std::uint64_t seed) {
  const CounterRandom random(seed, "tokens", "tiny_job");
  calibration::TokenStream stream;
  for (std::size_t i = 0; i < count; ++i) {
    stream.tokens.push_back(static_cast<std::uint32_t>(random.below(i, vocab_size)));
  }
  stream.text_digest = fmt::format("random {}", seed);
  stream.tokenizer_digest = "none";
  store::save(file, {{"kind", "tokens"}, {"version", "1"}}, stream);
}

jobs::QuantizeJob write_tiny_job(const fs::path& folder, const TinyModel& sizes) {
  write_tiny_model(folder / "model", sizes);
  write_random_tokens(folder / "calibration.h5", 7 * 19 + 5, sizes.vocab_size, 1);
  write_random_tokens(folder / "evaluation.h5", 3 * 17 + 2, sizes.vocab_size, 2);
  jobs::QuantizeJob job;
  job.model.path = folder / "model";
  job.calibration.tokens = folder / "calibration.h5";
  job.calibration.num_samples = 7;
  job.calibration.max_seq_length = 19;
  job.calibration.num_shards = 3;
  job.quantize.vptq.vector_len = 4;
  job.quantize.vptq.num_centroids = 16;
  job.quantize.vptq.kmeans_iterations = 5;
  job.quantize.vptq.refine_rounds = 1;
  job.evaluation.tokens = folder / "evaluation.h5";
  job.evaluation.context_length = 17;
  job.output.dir = folder / "out";
  job.runtime.work_dir = folder / "work";
  return job;
}

jobs::RunReport run_job(const jobs::QuantizeJob& job, jobs::ExistingRun existing,
                        std::size_t num_threads, Log& log) {
  Threads threads(num_threads);
  cluster::SelfCommunicator alone;
  StopFlag stop;
  jobs::RunContext context{threads, log, alone, stop};
  return jobs::run_quantize_job(job, existing, context);
}

jobs::RunReport run_job(const jobs::QuantizeJob& job, jobs::ExistingRun existing,
                        std::size_t num_threads) {
  SilentLog log;
  return run_job(job, existing, num_threads, log);
}

jobs::RunReport run_job_on_ranks(const jobs::QuantizeJob& job, jobs::ExistingRun existing,
                                 std::size_t num_ranks, std::size_t num_threads) {
  StopFlag stop;
  jobs::RunReport report;
  cluster::run_as_threads(num_ranks, stop, [&](cluster::Communicator& comm) {
    SilentLog log;
    Threads threads(num_threads);
    jobs::RunContext context{threads, log, comm, stop};
    const auto of_rank = jobs::run_quantize_job(job, existing, context);
    if (comm.is_first()) report = of_rank;
  });
  return report;
}

bool run_until_event(const jobs::QuantizeJob& job, std::size_t num_ranks, int event) {
  StopFlag stop;
  try {
    cluster::run_as_threads(num_ranks, stop, [&](cluster::Communicator& comm) {
      SilentLog silent;
      EventLog stopping(event, [&] { stop.request("the test wants it"); });
      Threads threads(1);
      threads.poll_with([&] { stop.check(); });
      jobs::RunContext context{threads, comm.is_first() ? static_cast<Log&>(stopping) : silent,
                               comm, stop};
      jobs::run_quantize_job(job, jobs::ExistingRun::resume, context);
    });
    return true;
  } catch (const Interrupted&) {
    return false;
  }
}

void change_tensor(const fs::path& model, const std::string& tensor,
                   const std::function<void(std::span<float> values)>& change) {
  std::string bytes = read_text_file(model / "model.safetensors");
  std::size_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), 8);
  const auto header = JsonValue::parse(bytes.substr(8, header_bytes), "header");
  const auto& place = header.at(tensor).at("data_offsets").items();
  const auto begin = static_cast<std::size_t>(place[0].integer());
  std::vector<float> values((static_cast<std::size_t>(place[1].integer()) - begin) / sizeof(float));
  char* stored = bytes.data() + 8 + header_bytes + begin;
  std::memcpy(values.data(), stored, values.size() * sizeof(float));
  change(values);
  std::memcpy(stored, values.data(), values.size() * sizeof(float));
  write_file_atomically(model / "model.safetensors", bytes);
}

std::map<std::string, std::string> contents_of(const fs::path& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    contents[entry.path().lexically_relative(folder).string()] = read_text_file(entry.path());
  }
  return contents;
}

}  // namespace tessera::test
