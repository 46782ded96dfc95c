#include "jobs/block_sums.hpp"

#include <algorithm>
#include <numeric>

#include "core/error.hpp"

namespace tessera::jobs {

std::vector<std::size_t> slab_owners(const std::vector<SlabFile>& slabs, std::size_t num_ranks) {
  std::vector<std::size_t> order(slabs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return slabs[a].range.size() > slabs[b].range.size();
  });
  std::vector<std::size_t> load(num_ranks), owners(slabs.size());
  for (const std::size_t slab : order) {
    const auto least = std::ranges::min_element(load);
    owners[slab] = static_cast<std::size_t>(least - load.begin());
    *least += slabs[slab].range.size();
  }
  return owners;
}

BlockSums::BlockSums(RunContext& run, std::vector<SlabFile> slabs)
    : run_(run),
      files_(std::move(slabs)),
      owners_(slab_owners(files_, run.comm.size())),
      sums_(files_.size()) {
  for (std::size_t s = 0; s < files_.size(); ++s) {
    if (owners_[s] == run.comm.rank()) {
      sums_[s] =
          calibration::StatisticsSlab({files_[s].num_channels, files_[s].extras}, files_[s].range);
    }
  }
}

cluster::ReductionCost BlockSums::add_round(std::size_t num_partials,
                                            const BlockStatistics& partial) {
  std::vector<cluster::Slab> slabs;
  for (std::size_t s = 0; s < files_.size(); ++s) {
    slabs.push_back({owners_[s], files_[s].range.size()});
  }
  const auto copy = [&](std::size_t s, std::size_t offset, std::span<double> out) {
    calibration::copy_flat(partial.of_role.at(files_[s].role), files_[s].range.begin + offset, out);
  };
  const auto add = [&](std::size_t s, std::size_t offset, std::span<const double> in) {
    sums_[s].join(offset, in);
  };
  return cluster::reduce_to_owners(run_.comm, slabs, num_partials, {copy, add});
}

void BlockSums::commit(WorkFolder& work) const {
  for (std::size_t s = 0; s < files_.size(); ++s) {
    if (owners_[s] == run_.comm.rank()) work.commit(files_[s].file, "statistics", sums_[s]);
  }
}

calibration::InputStatistics load_statistics(const WorkFolder& work,
                                             const std::vector<SlabFile>& slabs_of_block,
                                             const model::InputKey& role) {
  calibration::InputStatistics statistics;
  for (const SlabFile& file : slabs_of_block) {
    if (file.role != role) continue;
    if (statistics.num_channels() == 0) {
      statistics = calibration::InputStatistics(file.num_channels, file.extras);
    }
    calibration::StatisticsSlab slab;
    work.load(file.file, "statistics", slab);
    require(slab.begin == file.range.begin && slab.values.size() == file.range.size() &&
                slab.shape == calibration::FlatShape(file.num_channels, file.extras),
            "a committed slab holds the range that it is named for");
    calibration::place_flat(slab.values, slab.begin, statistics);
  }
  return statistics;
}

std::uint64_t load_num_tokens(const WorkFolder& work, const std::vector<SlabFile>& slabs_of_block,
                              const model::InputKey& role) {
  for (const SlabFile& file : slabs_of_block) {
    const std::size_t place = calibration::place_of_token_count({file.num_channels, file.extras});
    if (file.role != role || place < file.range.begin || place >= file.range.end) continue;
    calibration::StatisticsSlab slab;
    work.load(file.file, "statistics", slab);
    return static_cast<std::uint64_t>(slab.values.at(place - slab.begin));
  }
  throw Bug("an input's slabs hold all of its numbers");
}

}  // namespace tessera::jobs
