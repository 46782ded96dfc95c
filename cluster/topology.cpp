#include <algorithm>
#include <array>
#include <set>

#include <unistd.h>

#include "cluster/communicator.hpp"

namespace tessera::cluster {

Topology find_topology(Communicator& comm) {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  Topology topology;
  topology.host = name.data();
  const auto hosts = comm.all_gather(topology.host);
  topology.num_nodes = std::set(hosts.begin(), hosts.end()).size();
  const auto here = hosts.begin() + static_cast<std::ptrdiff_t>(comm.rank());
  topology.local_rank = static_cast<std::size_t>(std::count(hosts.begin(), here, topology.host));
  topology.local_size =
      static_cast<std::size_t>(std::count(hosts.begin(), hosts.end(), topology.host));
  return topology;
}

std::size_t threads_for_rank(std::size_t cores_available, std::size_t cores_of_node,
                             std::size_t local_size) {
  if (cores_available < cores_of_node) return std::max<std::size_t>(1, cores_available);
  return std::max<std::size_t>(1, cores_of_node / local_size);
}

}  // namespace tessera::cluster
