package arrival

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// writtenRecord has the members of S3's own messages, in their order.
type writtenRecord struct {
	EventVersion string `json:"eventVersion"`
	EventSource  string `json:"eventSource"`
	AWSRegion    string `json:"awsRegion"`
	EventTime    string `json:"eventTime"`
	EventName    string `json:"eventName"`
	UserIdentity struct {
		PrincipalID string `json:"principalId"`
	} `json:"userIdentity"`
	RequestParameters struct {
		SourceIPAddress string `json:"sourceIPAddress"`
	} `json:"requestParameters"`
	ResponseElements struct {
		RequestID string `json:"x-amz-request-id"`
		HostID    string `json:"x-amz-id-2"`
	} `json:"responseElements"`
	S3 struct {
		SchemaVersion   string `json:"s3SchemaVersion"`
		ConfigurationID string `json:"configurationId"`
		Bucket          struct {
			Name          string `json:"name"`
			OwnerIdentity struct {
				PrincipalID string `json:"principalId"`
			} `json:"ownerIdentity"`
			ARN string `json:"arn"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"`
			Size      int64  `json:"size"`
			ETag      string `json:"eTag"`
			VersionID string `json:"versionId,omitempty"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
	} `json:"s3"`
}

// Format writes records as S3 writes them into a queue: version 2.1, times in milliseconds, keys form-encoded. What S3
// would say about the caller and the request is filled with fixed values, since Created does not hold it. It is an
// error to give no record, more than MaxRecords, or one that Parse would not read back.
func Format(records ...Created) ([]byte, error) {
	if len(records) == 0 || len(records) > MaxRecords {
		return nil, fmt.Errorf("format an S3 notification of %d records: want 1 to %d", len(records), MaxRecords)
	}
	var message struct {
		Records []writtenRecord `json:"Records"`
	}
	for i, c := range records {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("format record %d of %d of an S3 notification: %w", i+1, len(records), err)
		}
		message.Records = append(message.Records, written(c))
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // S3 writes & and < as they are
	if err := encoder.Encode(message); err != nil {
		return nil, fmt.Errorf("format an S3 notification: %w", err)
	}
	if body.Len() > MaxBody {
		return nil, errors.New("format an S3 notification: it would be longer than a queue message may be")
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), nil
}

// Again formats one arrival for a message that is sent once more: it is named a PUT, and has a sequencer of its own.
func Again(c Created) ([]byte, error) {
	c.Name, c.Sequencer = "ObjectCreated:Put", Sequencer(c.Time, 0)
	return Format(c)
}

func written(c Created) (w writtenRecord) {
	w.EventVersion, w.EventSource, w.AWSRegion, w.EventName = "2.1", "aws:s3", c.Region, c.Name
	w.EventTime = c.Time.UTC().Format("2006-01-02T15:04:05.000Z")
	w.UserIdentity.PrincipalID = "AWS:AIDAEXAMPLE"
	w.RequestParameters.SourceIPAddress = "127.0.0.1"
	w.ResponseElements.RequestID, w.ResponseElements.HostID = "0000000000000000", "none"
	w.S3.SchemaVersion, w.S3.ConfigurationID = "1.0", "quarantine"
	w.S3.Bucket.Name, w.S3.Bucket.ARN = c.Bucket, "arn:aws:s3:::"+c.Bucket
	w.S3.Bucket.OwnerIdentity.PrincipalID = "AEXAMPLE"
	object := &w.S3.Object
	// A space is "+", everything unusual is percent-encoded, slashes stay.
	object.Key = strings.ReplaceAll(url.QueryEscape(c.Key), "%2F", "/")
	object.Size, object.ETag = c.Size, strings.Trim(c.ETag, `"`)
	object.VersionID, object.Sequencer = c.VersionID, c.Sequencer
	return w
}

// Sequencer makes a sequencer as S3 makes them (upper-case hexadecimal digits) that grows with time and n.
func Sequencer(at time.Time, n uint32) string {
	return fmt.Sprintf("%016X%08X", uint64(at.UnixNano()), n)
}
