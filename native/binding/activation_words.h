#pragma once

#include "binding/describe.h"
#include "kernels/linear.h"

ATHANOR_WORDS(athanor::Activation, {"none", athanor::Activation::kNone}, {"gelu", athanor::Activation::kGelu})
