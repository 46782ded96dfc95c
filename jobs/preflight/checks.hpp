#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>

#include "jobs/preflight.hpp"
#include "jobs/prepared_run.hpp"

// The checks of a preflight, one on each rank (jobs/preflight.hpp). What is wrong with the machine
// or the job they throw or say in their finding; those that take a communicator are collective.
namespace tessera::jobs {

/// Opens what a run would open and refuse at once, headers alone, into @p prepared. Bytes of the
/// model's weights.
Finding check_model(RunContext& run, const QuantizeJob& job, PreparedRun& prepared);

/// Reads one block, another one on each rank: every tensor of it, whole and finite. Bytes a second.
Finding check_weights(RunContext& run, const PreparedRun& prepared);

/// Token files are read; for texts, which the first rank tokenizes, that rank starts the tokenizer
/// and has a word encoded. Tokens that were read, or seconds that the tokenizer took.
Finding check_tokens(RunContext& run, const QuantizeJob& job);

/// What the ranks of this node take at most, by the memory plan, against what the node has free.
/// Bytes. Collective.
Finding check_memory(RunContext& run, const PreparedRun& prepared);
Finding memory_finding(std::uint64_t wanted, std::uint64_t available, std::size_t ranks_of_node);

/// Writes a file into @p folder, forces it to the disk, renames it and reads it back. Bytes a
/// second, written.
Finding check_disk(RunContext& run, const std::filesystem::path& folder);

/// Free bytes below the work folder and the output's, against what the job still writes.
Finding check_space(RunContext& run, const PreparedRun& prepared);

/// What one rank writes into @p folder every other reads. Seconds until the last had it.
/// Collective.
Finding check_shared_folder(cluster::Communicator& comm, const std::filesystem::path& folder);

/// Nobody holds the work folder's lock, and what one rank has locked another cannot lock (flock,
/// between nodes as well as on one). Ranks that respect it. Collective.
Finding check_locks(cluster::Communicator& comm, const std::filesystem::path& folder);

/// How far this rank's clock, seconds since 1970, is from the first one's. Seconds. Collective.
Finding check_clock(cluster::Communicator& comm, const std::function<double()>& clock);
double seconds_of_clock();

/// Sends and adds a block's statistics as calibration does, with numbers that are known. Seconds of
/// a round. Collective.
Finding check_sum(RunContext& run, const PreparedRun& prepared);

bool makes_codebooks(const PreparedRun& prepared);
/// One iteration of k-means at the size of the layer with most vectors. Seconds of that.
Finding check_kmeans(RunContext& run, const PreparedRun& prepared);
/// The factor of a Hessian of the widest input, whose factor is known. Seconds of that.
Finding check_factorization(RunContext& run, const PreparedRun& prepared);

/// The same of given sizes: at most @p seconds and @p bytes, smaller where it would take more.
Finding try_kmeans(Threads& threads, std::size_t num_vectors, std::size_t vector_len,
                   std::size_t num_centroids, double seconds, std::uint64_t bytes);
Finding try_factorization(Threads& threads, std::size_t num_channels, double seconds,
                          std::uint64_t bytes);

/// What this rank may take of the memory that its node has free now. Collective.
std::uint64_t memory_share(cluster::Communicator& comm);

}  // namespace tessera::jobs
