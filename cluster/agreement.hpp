#pragma once
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "cluster/communicator.hpp"

// Ranks agree before anyone throws: a step that can fail on one rank alone ends with a vote, and
// then all fail, one with the cause and the rest naming that rank. Otherwise the rest would wait in
// the next collective for a rank that has left.
namespace tessera::cluster {

/// Runs @p step on every rank. Where it failed on any rank, throws on all: the exception itself on
/// the lowest rank it failed on, one of the same kind that names this rank on the others.
/// @p step may be collective only if it fails on all ranks or on none. Collective.
void agree_on(Communicator& comm, const std::function<void()>& step);

/// The same for a step with a result.
template <class Step>
auto on_all_ranks(Communicator& comm, Step&& step) -> std::invoke_result_t<Step> {
  if constexpr (std::is_void_v<std::invoke_result_t<Step>>) {
    agree_on(comm, step);
  } else {
    std::optional<std::invoke_result_t<Step>> result;
    agree_on(comm, [&] { result.emplace(step()); });
    return std::move(*result);
  }
}

/// Runs @p step on rank 0 alone; all ranks wait for it, and fail where it failed. Collective.
void on_first_rank(Communicator& comm, const std::function<void()>& step);

/// Rank 0's text, on every rank. Collective.
std::string broadcast(Communicator& comm, const std::string& text);

}  // namespace tessera::cluster
