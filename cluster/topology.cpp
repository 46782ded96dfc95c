#include <algorithm>
#include <array>

#include <unistd.h>

#include "cluster/communicator.hpp"

namespace tessera::cluster {

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::size_t ranks_of_this_node(Communicator& comm) {
  const auto hosts = comm.all_gather(host_name());
  return static_cast<std::size_t>(std::ranges::count(hosts, hosts[comm.rank()]));
}

std::size_t threads_for_rank(std::size_t cores_available, std::size_t cores_of_node,
                             std::size_t local_size) {
  if (cores_available < cores_of_node) return std::max<std::size_t>(1, cores_available);
  return std::max<std::size_t>(1, cores_of_node / local_size);
}

}  // namespace tessera::cluster
