// Package acceptance deploys Hatchery for real and proves it from outside.
//
// Its tests carry the build tag acceptance and are run by
//
//	bash .ci/run acceptance
//
// which installs what they need: the SAM CLI, an emulator of AWS that runs the
// built functions with their own roles, and the clients that people use. The
// template is deployed by the SAM CLI as anybody would; nothing in it, and
// nothing in the functions, knows that it is tested.
//
// What cannot run here fails. It never passes for want of a tool.
package acceptance
