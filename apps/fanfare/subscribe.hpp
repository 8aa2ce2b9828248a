// `fanfare sub`.
#pragma once

#include "apps/fanfare/arguments.hpp"

namespace fanfare::tool {

// Takes sessions until as many as asked for have ended. Returns the status of the command: 0 when
// all ended in good order or reached the count; throws Failure.
int subscribe(const SubscribeArguments& arguments);

}  // namespace fanfare::tool
