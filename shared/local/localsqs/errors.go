package localsqs

import (
	"fmt"
	"net/http"
)

// apiError is an error in SQS's own words. The JSON protocol names a shape in `__type`; clients that knew the older
// query protocol read the code in the x-amzn-query-error header, so AWS sends both, and so does this server.
type apiError struct {
	status  int
	shape   string // with namespace, the value of __type
	code    string // of the query protocol
	message string
}

// Error is the code and the sentence; neither holds anything a caller should not see.
func (e *apiError) Error() string { return e.code + ": " + e.message }

const (
	sqsShapes   = "com.amazonaws.sqs#"
	coralShapes = "com.amazon.coral.service#"
	queryPrefix = "AWS.SimpleQueueService."
)

// modelled is an error of the SQS API model whose query code has the service's prefix.
func modelled(shape, format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, sqsShapes + shape, queryPrefix + shape, fmt.Sprintf(format, args...)}
}

// plain is an error of the SQS API model whose query code is the shape's name.
func plain(shape, format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, sqsShapes + shape, shape, fmt.Sprintf(format, args...)}
}

func errQueueDoesNotExist() *apiError {
	return &apiError{http.StatusBadRequest, sqsShapes + "QueueDoesNotExist", queryPrefix + "NonExistentQueue",
		"The specified queue does not exist."}
}

func errQueueNameExists(attribute string) *apiError {
	return &apiError{http.StatusBadRequest, sqsShapes + "QueueNameExists", "QueueAlreadyExists",
		"A queue already exists with the same name and a different value for attribute " + attribute}
}

func errInvalidParameter(format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, coralShapes + "InvalidParameterValueException", "InvalidParameterValue",
		fmt.Sprintf(format, args...)}
}

func errMissingParameter(name string) *apiError {
	return &apiError{http.StatusBadRequest, coralShapes + "MissingRequiredParameterException", "MissingParameter",
		"The request must contain the parameter " + name + "."}
}

func errNotFound(format string, args ...any) *apiError {
	return &apiError{http.StatusNotFound, sqsShapes + "ResourceNotFoundException", "ResourceNotFoundException",
		fmt.Sprintf(format, args...)}
}

func errSerialization(message string) *apiError {
	return &apiError{http.StatusBadRequest, coralShapes + "SerializationException", "MalformedInput", message}
}

func errUnknownOperation(target string) *apiError {
	return &apiError{http.StatusBadRequest, coralShapes + "UnknownOperationException", "InvalidAction",
		fmt.Sprintf("The action %q is not valid for this endpoint.", target)}
}
