package localdynamo

import (
	"fmt"
	"net/http"
	"strings"

	"hatchery/shared/local/sqlitefile"
)

// ErrFileInUse is returned by Open when another process, or another Server of this one, serves the same file.
var ErrFileInUse = sqlitefile.ErrInUse

// apiError is an error in DynamoDB's own words.
type apiError struct {
	status  int
	shape   string // with namespace, the value of __type
	message string
	// item goes with a failed condition whose caller asked for it, reasons with a cancelled transaction.
	item    item
	reasons []cancellationReason
}

// Error is the shape and the sentence; neither holds anything a caller should not see.
func (e *apiError) Error() string { return e.shape + ": " + e.message }

// code is the shape without its namespace.
func (e *apiError) code() string { return e.shape[strings.IndexByte(e.shape, '#')+1:] }

func (e *apiError) is(code string) bool { return e.code() == code }

// body is the error as the protocol writes it.
func (e *apiError) body() any {
	return struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
		// The SDKs read the message of a cancelled transaction in capitals.
		Capital string               `json:"Message,omitempty"`
		Item    item                 `json:"Item,omitempty"`
		Reasons []cancellationReason `json:"CancellationReasons,omitempty"`
	}{e.shape, e.message, capital(e), e.item, e.reasons}
}

func capital(e *apiError) string {
	if e.reasons == nil {
		return ""
	}
	return e.message
}

const (
	dynamoShapes     = "com.amazonaws.dynamodb.v20120810#"
	coralShapes      = "com.amazon.coral.service#"
	validationShapes = "com.amazon.coral.validate#"
)

// invalid is a ValidationException, by far the most usual refusal.
func invalid(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, shape: validationShapes + "ValidationException", message: fmt.Sprintf(format, args...)}
}

// invalidParameter is a ValidationException with the opening that DynamoDB gives to most complaints about values.
func invalidParameter(format string, args ...any) *apiError {
	return invalid("One or more parameter values were invalid: "+format, args...)
}

// unsupported refuses what DynamoDB has and this endpoint has not.
func unsupported(what string) *apiError {
	return invalid("%s is not supported by this local endpoint.", what)
}

// modelled is an error of the DynamoDB API model.
func modelled(shape, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, shape: dynamoShapes + shape, message: fmt.Sprintf(format, args...)}
}

func errTableNotFound(name string) *apiError {
	return modelled("ResourceNotFoundException", "Requested resource not found: Table: %s not found", name)
}

// errConditionFailed carries the item when the caller asked for it.
func errConditionFailed(shown item) *apiError {
	e := modelled("ConditionalCheckFailedException", "The conditional request failed")
	e.item = shown
	return e
}

func errSerialization(message string) *apiError {
	return &apiError{status: http.StatusBadRequest, shape: coralShapes + "SerializationException", message: message}
}

func errUnknownOperation(target string) *apiError {
	return &apiError{status: http.StatusBadRequest, shape: coralShapes + "UnknownOperationException",
		message: fmt.Sprintf("The action %q is not valid for this endpoint.", target)}
}

func errInternal() *apiError {
	return &apiError{status: http.StatusInternalServerError, shape: dynamoShapes + "InternalServerError",
		message: "The table's storage failed; the server's log says why."}
}
