package localsqs

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// settings are a queue's attributes, read. They are never changed in place: a queue swaps its pointer.
type settings struct {
	raw map[string]string // as given, for GetQueueAttributes

	delay, visibility, retention, wait time.Duration
	maxBytes                           int
	redrive                            *redrivePolicy // nil: no dead letters
	allow                              redriveAllow
}

type redrivePolicy struct {
	targetARN   string
	maxReceives int64
}

// redriveAllow says which queues may use this one for dead letters.
type redriveAllow struct {
	Permission string   `json:"redrivePermission"`
	Sources    []string `json:"sourceQueueArns"`
}

func (a redriveAllow) permits(sourceARN string) bool {
	switch a.Permission {
	case "denyAll":
		return false
	case "byQueue":
		return slices.Contains(a.Sources, sourceARN)
	}
	return true
}

// numericAttributes are the attributes that hold a number, with SQS's defaults and bounds. Times are in seconds.
var numericAttributes = map[string]struct{ byDefault, low, high int64 }{
	"DelaySeconds":                  {0, 0, 900},
	"MaximumMessageSize":            {maxMessageBytes, 1024, maxMessageBytes},
	"MessageRetentionPeriod":        {345600, 60, 1209600},
	"ReceiveMessageWaitTimeSeconds": {0, 0, 20},
	"VisibilityTimeout":             {30, 0, 43200},
}

// parseSettings reads attributes as CreateQueue and SetQueueAttributes take them. An empty RedrivePolicy,
// RedriveAllowPolicy or Policy removes it, as in SQS.
func parseSettings(given map[string]string) (*settings, error) {
	s := &settings{raw: map[string]string{}}
	numbers := map[string]int64{}
	for name, n := range numericAttributes {
		numbers[name] = n.byDefault
	}
	for name, value := range given {
		if n, ok := numericAttributes[name]; ok {
			v, err := strconv.ParseInt(value, 10, 64)
			if err != nil || v < n.low || v > n.high {
				return nil, errInvalidAttribute(name, value)
			}
			numbers[name] = v
			s.raw[name] = value
			continue
		}
		if err := s.parseText(name, value); err != nil {
			return nil, err
		}
	}
	seconds := func(name string) time.Duration { return time.Duration(numbers[name]) * time.Second }
	s.delay, s.wait = seconds("DelaySeconds"), seconds("ReceiveMessageWaitTimeSeconds")
	s.visibility, s.retention = seconds("VisibilityTimeout"), seconds("MessageRetentionPeriod")
	s.maxBytes = int(numbers["MaximumMessageSize"])
	return s, nil
}

func errInvalidAttribute(name, value string) *apiError {
	return plain("InvalidAttributeValue", "Invalid value for the parameter %s: %.100q.", name, value)
}

// parseText reads one attribute that is not a number.
func (s *settings) parseText(name, value string) error {
	if value == "" && slices.Contains([]string{"Policy", "RedrivePolicy", "RedriveAllowPolicy"}, name) {
		return nil
	}
	switch name {
	case "SqsManagedSseEnabled":
		if value != "true" && value != "false" {
			return errInvalidAttribute(name, value)
		}
	case "Policy":
		if !json.Valid([]byte(value)) {
			return errInvalidAttribute(name, value)
		}
	case "RedrivePolicy":
		var ok bool
		if s.redrive, ok = parseRedrive(value); !ok {
			return errInvalidParameter("Value %.200q for parameter RedrivePolicy is invalid. Reason: it must be JSON "+
				"with deadLetterTargetArn and a maxReceiveCount from 1 to 1000.", value)
		}
	case "RedriveAllowPolicy":
		err := json.Unmarshal([]byte(value), &s.allow)
		known := slices.Contains([]string{"allowAll", "denyAll", "byQueue"}, s.allow.Permission)
		named := len(s.allow.Sources) > 0
		if err != nil || !known || len(s.allow.Sources) > 10 || (s.allow.Permission == "byQueue") != named {
			return errInvalidParameter("Value %.200q for parameter RedriveAllowPolicy is invalid.", value)
		}
	default:
		if slices.Contains(unsupported, name) {
			return modelled("UnsupportedOperation",
				"This endpoint has standard queues without KMS only; attribute %s is not supported.", name)
		}
		return plain("InvalidAttributeName", "Unknown Attribute %.100q.", name)
	}
	s.raw[name] = value
	return nil
}

func parseRedrive(value string) (*redrivePolicy, bool) {
	var p struct {
		Target string      `json:"deadLetterTargetArn"`
		Max    json.Number `json:"maxReceiveCount"` // a number, or one as text; AWS's own tools write both
	}
	if json.Unmarshal([]byte(value), &p) != nil || p.Target == "" {
		return nil, false
	}
	n, err := p.Max.Int64()
	return &redrivePolicy{targetARN: p.Target, maxReceives: n}, err == nil && n >= 1 && n <= 1000
}

// attribute is the value of one attribute as GetQueueAttributes shows it; "" is one that is not set.
func (s *settings) attribute(name string) string {
	if v, ok := s.raw[name]; ok {
		return v
	}
	if n, ok := numericAttributes[name]; ok {
		return strconv.FormatInt(n.byDefault, 10)
	}
	if name == "SqsManagedSseEnabled" {
		return "true"
	}
	return ""
}

// settingNames are the attributes that can be set here, for GetQueueAttributes with All.
var settingNames = []string{"DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod",
	"ReceiveMessageWaitTimeSeconds", "VisibilityTimeout", "Policy", "RedrivePolicy", "RedriveAllowPolicy",
	"SqsManagedSseEnabled"}

// unsupported are the attributes that SQS knows and a standard queue without KMS does not have.
var unsupported = []string{"FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit",
	"KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"}
