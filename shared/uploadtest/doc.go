// Package uploadtest holds what tests of the pipeline share: memory fakes of
// the stores, the suites that every implementation of a store passes, and an
// explorer that runs the functions of package upload against each other in
// every order with a fault at each call.
//
// The fakes behave: [Records] swaps or overwrites as it is told to, [Objects]
// is a versioned bucket. Neither has a clock or randomness of its own, so the
// same calls always give the same state.
package uploadtest
