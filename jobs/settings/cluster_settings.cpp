#include "jobs/settings/cluster_settings.hpp"

#include <algorithm>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "config/near_match.hpp"
#include "config/reader.hpp"
#include "config/yaml_writer.hpp"
#include "core/error.hpp"
#include "jobs/settings/shared_folder.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

fs::path clusters_folder() {
  return shared_folder() / "configs/clusters";
}

bool names_a_file(const std::string& name) {
  return name.ends_with(".yaml") || name.find('/') != std::string::npos;
}

[[noreturn]] void refuse(const std::string& name) {
  const auto known = cluster_names();
  const std::size_t near = config::near_match(name, known);
  const std::string advice = near < known.size()
                                 ? fmt::format("Did you mean {}?", known[near])
                                 : "Name one of them, or a file of your own that ends in .yaml.";
  throw InputError(fmt::format("--cluster is {} (configs/clusters has {}). {}", name,
                               fmt::join(known, ", "), advice));
}

}  // namespace

void check(Problems& problems, const CoreRates& s) {
  if (s.kmeans.empty()) {
    problems.add("kmeans",
                 "is empty (k-means takes some time). Give one size of codebook at least.");
  }
  for (std::size_t i = 1; i < s.kmeans.size(); ++i) {
    if (s.kmeans[i - 1].centroids < s.kmeans[i].centroids) continue;
    problems.add(fmt::format("kmeans[{}].centroids", i),
                 fmt::format("is {} (sizes must rise, and the one before is {}). Sort them.",
                             s.kmeans[i].centroids, s.kmeans[i - 1].centroids));
  }
}

std::vector<std::string> cluster_names() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(clusters_folder(), error)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

ClusterSettings read_cluster(const std::string& name_or_file) {
  if (names_a_file(name_or_file)) return config::read_file<ClusterSettings>(name_or_file).value;
  const fs::path file = clusters_folder() / (name_or_file + ".yaml");
  if (!fs::exists(file)) refuse(name_or_file);
  return config::read_file<ClusterSettings>(file).value;
}

ClusterSettings cluster_from_text(const std::string& yaml, const std::string& origin) {
  return config::read_text<ClusterSettings>(yaml, origin);
}

std::string cluster_text(const ClusterSettings& cluster) {
  return config::write_text(cluster);
}

}  // namespace tessera::jobs
