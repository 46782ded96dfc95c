#pragma once
#include "cluster/communicator.hpp"

namespace tessera::test {

/// A transport that hands everything on to another one; tests override what they disturb.
class ForwardingCommunicator : public cluster::Communicator {
 public:
  explicit ForwardingCommunicator(cluster::Communicator& inner) : inner_(inner) {}
  std::size_t rank() const override { return inner_.rank(); }
  std::size_t size() const override { return inner_.size(); }
  void barrier() override { inner_.barrier(); }
  std::vector<std::string> all_gather(const std::string& mine) override {
    return inner_.all_gather(mine);
  }
  void exchange(const std::vector<std::span<const double>>& to,
                const std::vector<std::span<double>>& from) override {
    inner_.exchange(to, from);
  }
  void reset_tickets() override { inner_.reset_tickets(); }
  std::uint64_t draw_ticket() override { return inner_.draw_ticket(); }
  void progress() override { inner_.progress(); }
  bool leave_together(double seconds) override { return inner_.leave_together(seconds); }
  void abandon() override { inner_.abandon(); }

 private:
  cluster::Communicator& inner_;
};

}  // namespace tessera::test
