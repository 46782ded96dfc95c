#pragma once
#include <cstddef>
#include <map>
#include <string>

#include "format/manifest.hpp"
#include "jobs/gate/output_files.hpp"
#include "jobs/gate/verdict.hpp"

// The questions that gate and `tessera verify` both ask of an output, a file each. Each compares
// the folder as it lies there with a manifest: the gate with one of what was meant, verify with the
// folder's own. What is found goes to the verdict under the check's name; none throws for damage.
namespace tessera::jobs {

/// Which of the things to be looked at are this rank's.
struct Share {
  std::size_t rank = 0, num_ranks = 1;
  bool has(std::size_t i) const { return i % num_ranks == rank; }
};

/// "files": those of the manifest are there, and nothing that belongs to no output. Names that
/// begin with a dot are left to whoever put them there.
/// "digests": size and SHA-256 of each.
void check_files(const OutputFiles& files, const format::Manifest& manifest, Verdict& verdict);

/// "shards": headers are whole; index and shards name each other; no tensor lies in two files, and
/// no weight file is one that nothing refers to.
void check_shards(const OutputFiles& files, Verdict& verdict);

/// "tensors": exactly those of the manifest, of their type and shape; all that the architecture
/// asks for, of the shapes that config.json gives them.
/// "reader": the independent reader opens the folder as its quantization_config says.
void check_tensors(const OutputFiles& files, const format::Manifest& manifest, Verdict& verdict);

/// "config": config.json says what was meant, key by key.
/// "head": the output head is tied or stored, as it says; a stored copy of tied embeddings is one.
void check_config(const OutputFiles& files, const format::Manifest& manifest, Verdict& verdict);

/// "tokenizer": what was copied from the model is there and is the model's.
void check_tokenizer(const OutputFiles& files, const format::Manifest& manifest, Verdict& verdict);

/// "values": every number of a floating type is finite, and every packed layer unpacks.
/// "contents": each tensor has the SHA-256 of the manifest, where that has one.
/// Returns the digests of the share's tensors. One tensor is in memory at a time.
std::map<std::string, std::string> check_values(const OutputFiles& files,
                                                const format::Manifest& manifest, Share share,
                                                Verdict& verdict);

/// "residuals": each unpacks, and they are those of these weights.
void check_residuals(const OutputFiles& files, Verdict& verdict);

/// All of them but check_values: what one rank can do for all.
void check_papers(const OutputFiles& files, const format::Manifest& manifest, Verdict& verdict);

}  // namespace tessera::jobs
