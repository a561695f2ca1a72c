// Package bootstrap is what the Lambda functions have in common: how one reads its
// environment, builds what every function needs, starts, and says why it cannot.
// It decides nothing about uploads.
//
// # Credentials and endpoints
//
// Lambda gives a function its region and its role's credentials as environment
// variables, once for the life of the process. They are read here, without the
// SDK's search through files, profiles and metadata services: that would be a
// sixth of the zip, and places to wait at that a function does not have.
// AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_{SERVICE} send the calls elsewhere, as
// with the SDK.
//
// # What a function writes
//
// Its log goes to the standard error, a JSON object a line, in the names that
// Lambda's own log controls know (timestamp, level, message), with the id of the
// invocation. Each line of the standard logger is replaced by a sentence
// (shared/stdlog): net/http and Lambda's library quote there what they received.
// Metrics go to the standard output, in CloudWatch's embedded format.
package bootstrap
