#pragma once
#include <filesystem>
#include <string>

#include "cluster/communicator.hpp"
#include "core/descriptor.hpp"

namespace tessera::jobs {

/// Keeps a second run out of a work folder for as long as this one lives, on every rank.
///
/// Rank 0 holds WORK/lock exclusively, every rank WORK/lock.ranks shared: flock(2), which the
/// kernel (on NFS and Lustre the lock server) gives up when the process is gone, however it went. A
/// new run needs both alone, so it also waits for orphans of an attempt whose rank 0 died first.
/// Where the file system has no locks (ENOLCK, ENOTSUP), the run goes on with a warning.
class WorkLock {
 public:
  /// Collective. Makes the folder. Throws InputError naming the run that has it, on all ranks.
  WorkLock(cluster::Communicator& comm, const std::filesystem::path& work_dir);

  /// What could not be locked and why; empty when all is well.
  const std::string& warning() const { return warning_; }

 private:
  void take_as_first(const std::filesystem::path& work_dir, std::size_t num_ranks);

  Descriptor run_, ranks_;
  std::string warning_;
};

/// Who holds @p work_dir, in words: "process 4711 on node07, 8 ranks, since 2026-11-22 10:00:01";
/// empty when nobody does. Takes nothing.
std::string holder_of(const std::filesystem::path& work_dir);

}  // namespace tessera::jobs
