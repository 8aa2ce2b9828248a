// `fanfare pub`.
#pragma once

#include "apps/fanfare/arguments.hpp"

namespace fanfare::tool {

// Publishes until the input ends, and stays until all is sent. Returns the status of the command;
// throws Failure.
int publish(const PublishArguments& arguments);

}  // namespace fanfare::tool
