#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cluster/launch_environment.hpp"
#include "core/stop.hpp"

namespace tessera::cluster {

/// A group of ranks that can talk. Moves spans of numbers and knows nothing of what they mean.
///
/// Every function but rank(), size(), draw_ticket() and progress() is collective: all ranks call
/// it, in the same order, with matching arguments. All waiting is done looking at the stop flag: a
/// rank that waits when the run is to end throws Interrupted. Used by one thread of each rank.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual std::size_t rank() const = 0;
  virtual std::size_t size() const = 0;

  virtual void barrier() = 0;

  /// What each rank gave, by rank, on every rank.
  virtual std::vector<std::string> all_gather(const std::string& mine) = 0;

  /// Sends to[r] to rank r and fills from[r] with what rank r sent here. Both sides know the sizes:
  /// from[r].size() here is to[this rank].size() there. Spans may be empty.
  virtual void exchange(const std::vector<std::span<const double>>& to,
                        const std::vector<std::span<double>>& from) = 0;

  /// Starts the shared ticket counter from 0.
  virtual void reset_tickets() = 0;
  /// The next number of the shared counter; each is given out once. The first rank keeps it, and
  /// answers whenever it waits or calls progress().
  virtual std::uint64_t draw_ticket() = 0;

  /// Lets other ranks' requests to this one through; called now and then from long computations.
  virtual void progress() {}

  /// Waits at most @p seconds until every rank has come here to leave, looking at no flag; true
  /// when all came. For failures that all ranks agreed on: nothing else may be called afterwards.
  virtual bool leave_together(double seconds) = 0;
  /// After a wait was given up (Interrupted): what was being sent or received may be gone, so
  /// nothing may touch the transport any more. leave_together() then returns false at once.
  virtual void abandon() {}

  bool is_first() const { return rank() == 0; }
};

/// The group this process was started in: alone (no MPI is touched) or as one of several under
/// mpirun or srun. Throws InputError in a build without MPI that was started as several ranks.
std::unique_ptr<Communicator> connect(const LaunchEnvironment& launched, const StopFlag& stop);

/// What this machine calls itself.
std::string host_name();

/// Ranks on this rank's machine, which share its cores, itself counted. Collective.
std::size_t ranks_of_this_node(Communicator& comm);

/// Threads for one of @p local_size ranks of a node: the cores the launcher bound it to, or its
/// share of the node's when the launcher bound nothing.
std::size_t threads_for_rank(std::size_t cores_available, std::size_t cores_of_node,
                             std::size_t local_size);

}  // namespace tessera::cluster
